"""How far the training is, on stderr: a bar on a terminal, elsewhere a line now and then."""

import sys
import time

from tqdm import tqdm

from gnnlab.trainer import distributed
from gnnlab.trainer.protocols import Row

SECONDS_BEFORE_THE_FIRST = 2.0
SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Shown by rank 0 only, and once the training has run for a moment."""

    def __init__(self, epochs: int, done: int, metric: str, enabled: bool) -> None:
        self.epochs, self.metric = epochs, metric
        self.first, self.started = done, time.monotonic()
        enabled = enabled and distributed.rank() == 0
        self.lines = enabled and not sys.stderr.isatty()
        self.last_line = self.started + SECONDS_BEFORE_THE_FIRST - SECONDS_BETWEEN_LINES
        self.bar = tqdm(
            total=epochs,
            initial=done,
            delay=SECONDS_BEFORE_THE_FIRST,
            disable=not enabled or self.lines,
            bar_format="{desc} {percentage:3.0f}%|{bar:20}| {elapsed}<{remaining}{postfix}",
        )

    def step(self, share: float) -> None:
        """A step is done, `share` of an epoch."""
        self.bar.update(share)

    def epoch(self, row: Row, timing: Row, best: Row | None) -> None:
        """An epoch is done."""
        done = row["epoch"] + 1
        shown = {key: row[key] for key in ("train/loss", f"val/{self.metric}") if key in row}
        if best is not None:
            shown["best"] = best[f"val/{self.metric}"]
        values = "  ".join(f"{key} {value:.4g}" for key, value in shown.items())
        values += f"  {timing['graphs_per_second']:.0f} graphs/s"
        self.bar.set_description_str(f"epoch {done}/{self.epochs}", refresh=False)
        self.bar.set_postfix_str(values, refresh=False)
        now = time.monotonic()
        if self.lines and now - self.last_line >= SECONDS_BETWEEN_LINES:
            left = (now - self.started) / (done - self.first) * (self.epochs - done)
            print(f"epoch {done}/{self.epochs}  {values}  {tqdm.format_interval(left)} left", file=sys.stderr)
            self.last_line = now

    def close(self) -> None:
        self.bar.close()
