"""Two processes on the parts of every batch give what one gives on the whole, to 1e-6, whatever the model."""

from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
import torch
from parts import CASES, train_all
from test_distributed import finish, start

SOME = ["gps", "neighbours", "pruned", "snowflake"]


@pytest.mark.parametrize(
    "cases", [SOME, pytest.param([case for case in CASES if case not in SOME], marks=pytest.mark.slow)]
)
def test_two_processes_equal_one(cases: list[str], processes: ForkServerContext, tmp_path: Path) -> None:
    for world in (1, 2):
        conf = tmp_path / str(world) / "conf/dataset"
        conf.mkdir(parents=True)
        (conf / "molecules.yaml").write_text("_target_: parts.Molecules\ntarget: regression\n")
        (conf / "one.yaml").write_text("_target_: parts.One\ntarget: multiclass\n")
        assert finish(start(processes, world, train_all, cases, tmp_path / str(world))) == [0] * world
    files = ("1/all.0.pt", "2/all.0.pt", "2/all.1.pt")
    alone, first, second = (torch.load(tmp_path / file, weights_only=True) for file in files)
    for case in cases:
        assert_same(case, alone[case], first[case], second[case])


def assert_same(case: str, alone: dict, first: dict, second: dict) -> None:
    assert first["best_epoch"] == second["best_epoch"] == alone["best_epoch"], case
    for name, value in alone["weights"].items():
        assert torch.equal(first["weights"][name], second["weights"][name]), (case, name)
        torch.testing.assert_close(first["weights"][name], value, rtol=1e-6, atol=1e-6, msg=f"{case}: {name}")
    for one, two in zip([*alone["history"], alone["test"]], [*first["history"], first["test"]], strict=True):
        assert two.pop("phase", None) == one.pop("phase", None), case
        assert two == pytest.approx(one, rel=1e-6), case
