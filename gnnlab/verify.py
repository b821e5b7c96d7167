"""`python -m gnnlab.results verify RUN`: do the stored weights give the stored numbers?

Data and model are built anew from the run's config.yaml, best.pt is loaded, and the validation and test
splits are evaluated; every number must equal the one in result.json to the last digit.
"""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from gnnlab.config import build
from gnnlab.errors import UsageError
from gnnlab.results.provenance import began, differing, environment, state
from gnnlab.results.runs import Run
from gnnlab.trained import TrainedRun, load
from gnnlab.trainer import device
from gnnlab.trainer.evaluate import evaluate
from gnnlab.trainer.precision import make_forward


def verify(folder: Path, allow: Sequence[str] = ()) -> bool:
    """Print each recorded number beside the one computed now; whether all are equal.

    `allow`: packages of your own that the run's config may name. Raises `UsageError` if the run is not complete,
    its config does not pass the check, or its files are damaged.
    """
    run = load(folder, allow)
    if not run.complete:
        raise UsageError(f"{folder} is not complete ({run.result['status']}): it has no numbers to verify.")
    recorded = {name: run.metric(name) for part in ("val", "test") for name in _names(run, part)}
    computed = compute(run)
    equal = {name: _same(computed[name], value) for name, value in recorded.items()}
    for name, value in recorded.items():
        verdict = "equal" if equal[name] else "DIFFERS"
        print(f"{name:<20}  recorded {value!r:<22}  computed {computed[name]!r:<22}  {verdict}")
    if all(equal.values()):
        return True
    if files := differing(began(folder).get("data"), state(run.composed())):
        print(f"The data ({', '.join(files)}) has changed since the run began.")
    for name, now in environment().items():
        if (then := run.result["environment"].get(name)) != now:
            print(f"The run had {name} {then}, here it is {now}.")
    return False


def compute(run: TrainedRun) -> dict[str, float]:
    """{"val/loss": …, "val/mae": …, "test/loss": …} of the run's model with the stored weights."""
    made, settings = run.prepare(), build(run.composed().trainer)
    where = device.choose(settings.device)
    forward = make_forward(made.model.to(where), where, settings.precision, settings.compile)
    with device.checked(settings.deterministic, settings.detect_anomaly):
        return {
            f"{split}/{name}": value
            for split in ("val", "test")
            for name, value in evaluate(forward, made.task, made.last[split].epoch(0), where).items()
        }


def _same(one: float, other: float | None) -> bool:
    return one == other or (other is None and not isfinite(one))


def _names(run: Run, part: str) -> list[str]:
    return [f"{part}/{name}" for name in run.result["test"]]
