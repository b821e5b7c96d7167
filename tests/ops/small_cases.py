"""`python -m tests.ops.small_cases`: every case of these tests once, small and in float32, for compute-sanitizer."""

import sys
import traceback
from importlib import import_module
from pathlib import Path

import torch
from _pytest.mark import ParameterSet

from gnnlab.batch import Batch
from tests.ops.parity import DEVICE, Case, batches, inputs_of, run


def cases() -> list[Case]:
    """What the test files of this folder hand to `check_everything`."""
    modules = [import_module(f"tests.ops.{path.stem}") for path in sorted(Path(__file__).parent.glob("test_*.py"))]
    marks = [mark for module in modules for test in vars(module).values() for mark in getattr(test, "pytestmark", [])]
    given = [value for mark in marks if mark.name == "parametrize" for value in mark.args[1]]
    values = [value for one in given for value in (one.values if isinstance(one, ParameterSet) else (one,))]
    return [value for value in values if isinstance(value, Case)]


def runs(case: Case, batch: Batch) -> bool:
    """Whether it does, forward and backward; what went wrong goes to stderr."""
    torch.manual_seed(0)
    try:
        run(case.fused, inputs_of(case, batch, case.widths[-1], torch.float32), batch)
        if DEVICE == "cuda":
            torch.cuda.synchronize()
    except Exception:
        traceback.print_exc()
        return False
    return True


def main() -> None:
    failed = 0
    for case in cases():
        for name, batch in batches().items():
            well = runs(case, batch)
            failed += not well
            print(f"{case} on {DEVICE}: {name}{'' if well else ', FAILED'}", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
