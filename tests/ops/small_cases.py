"""`python -m tests.ops.small_cases`: every case of these tests once, small and in float32, for compute-sanitizer."""

from importlib import import_module
from pathlib import Path

import torch

from tests.ops.parity import DEVICE, Case, batches, inputs_of, run


def cases() -> list[Case]:
    """What the test files of this folder hand to `check_everything`."""
    modules = [import_module(f"tests.ops.{path.stem}") for path in sorted(Path(__file__).parent.glob("test_*.py"))]
    marks = [mark for module in modules for test in vars(module).values() for mark in getattr(test, "pytestmark", [])]
    values = [value for mark in marks if mark.name == "parametrize" for value in mark.args[1]]
    return [value for value in values if isinstance(value, Case)]


def main() -> None:
    for case in cases():
        for name, batch in batches().items():
            torch.manual_seed(0)
            run(case.fused, inputs_of(case, batch, case.widths[-1], torch.float32), batch)
            print(f"{case} on {DEVICE}: {name}", flush=True)
    if DEVICE == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
