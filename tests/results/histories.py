"""Made-up histories of runs."""

from pathlib import Path


def epochs(folder: Path, validation: list[float], seconds: float = 2.0) -> None:
    """What the logger of a run writes: a validation MAE and the seconds of each epoch."""
    rows = (f"{i},{value},{value}\n" for i, value in enumerate(validation))
    (folder / "metrics.csv").write_text("epoch,train/loss,val/mae\n" + "".join(rows))
    times = (f"{i},{seconds},100.0\n" for i in range(len(validation)))
    (folder / "timing.csv").write_text("epoch,seconds,graphs_per_second\n" + "".join(times))
