"""Paired comparisons give the p-values of the textbook, and say what their number of pairs cannot show."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from gnnlab.errors import UsageError
from gnnlab.results.__main__ import main
from gnnlab.results.compare import Comparison, compare, markdown
from gnnlab.results.paired import fewest, holm, t_test, wilcoxon
from gnnlab.results.runs import load


@pytest.mark.parametrize("n", [1, 5, 6, 10])
def test_differences_of_one_sign_reach_the_least_p_value(n):
    assert wilcoxon([0.1 * (i + 1) for i in range(n)]) == pytest.approx(min(1.0, 2 / 2**n))


def test_wilcoxon_is_scipys_where_that_is_exact():
    for seed in range(5):
        differences = np.random.default_rng(seed).normal(0.5, 1, size=12)
        assert wilcoxon(list(differences)) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)
    many = np.random.default_rng(0).normal(0.02, 1, size=150)
    assert wilcoxon(list(many)) == pytest.approx(stats.wilcoxon(many).pvalue, abs=5e-3)


def test_wilcoxon_with_ties_is_the_count_over_all_signs():
    differences = [1.0, 1.0, -2.0, 2.0, 3.0, 0.0]
    ranks = stats.rankdata(np.abs(differences[:-1]))
    sums = [sum(r for r, s in zip(ranks, signs, strict=True) if s) for signs in itertools.product((0, 1), repeat=5)]
    seen = sum(r for r, d in zip(ranks, differences, strict=False) if d > 0)
    tail = min(sum(s <= seen for s in sums), sum(s >= seen for s in sums))
    assert wilcoxon(differences) == pytest.approx(min(1, 2 * tail / 32))
    assert wilcoxon([0.0, 0.0]) == 1.0


def test_t_test_is_the_closed_form():
    assert t_test([1.0, 2.0, 3.0]) == pytest.approx(2 * stats.t.sf(2 / (1 / math.sqrt(3)), 2))
    assert t_test([1.0]) is None
    assert t_test([1.0, 1.0]) is None


def test_differences_that_rounding_alone_tells_apart_are_the_same():
    found = Comparison("cora", "test/accuracy", [0.62, 0.42], [0.60, 0.40], True, False)
    assert 0.62 - 0.60 != 0.42 - 0.40
    assert t_test([0.62 - 0.60, 0.42 - 0.40]) is None
    assert found.differences == [0.02, 0.02]
    assert found.effect is None


def test_holm_steps_down():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, None, 0.9]) == [1.0, None, 1.0]


def test_fewest_pairs():
    assert (fewest(0.05), fewest(0.05, tests=3)) == (6, 7)


def test_pairs_are_of_equal_seed_and_fold(make_run, tmp_path):
    for seed, (ours, theirs) in enumerate(((0.1, 0.3), (0.2, 0.3), (0.3, 0.7))):
        make_run(ours, seed=seed, out=str(tmp_path / "a"))
        make_run(theirs, seed=seed, out=str(tmp_path / "b"), model__dim=32)
    make_run(9.0, seed=7, out=str(tmp_path / "b"), model__dim=32)
    (found,) = compare(load(tmp_path / "a"), load(tmp_path / "b"))
    assert found.differences == pytest.approx([-0.2, -0.1, -0.4])
    assert found.effect == pytest.approx(-(0.7 / 3) / math.sqrt(0.07 / 3))
    text = markdown([found], ("a", "b"))
    assert "test/mae ↓" in text
    assert "0.25" in text  # 2 / 2³
    assert "it takes 6 to reach 0.05" in text


def test_who_has_no_partner_is_named(make_run, tmp_path, capsys):
    for seed in range(3):
        make_run(0.1, seed=seed, out=str(tmp_path / "a"))
    for seed in (1, 2, 3):
        make_run(0.2, seed=seed, out=str(tmp_path / "b"), model__dim=32)
    failed = next((tmp_path / "b").rglob("seed2"))
    (failed / "result.json").write_text('{"status": "failed", "reason": "Loss is NaN."}')
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    ours, theirs = (next((tmp_path / side).glob("*-*")).name for side in "ab")
    assert capsys.readouterr().out.splitlines()[-5:] == [
        "Not counted:",
        f"- A: {ours}/seed0: no partner in B",
        f"- A: {ours}/seed2: no partner in B",
        f"- B: {theirs}/seed2: failed: Loss is NaN.",
        f"- B: {theirs}/seed3: no partner in A",
    ]


@pytest.mark.parametrize(("metric", "shown"), [("seconds", "seconds ↓"), ("val", "val/accuracy ↑"), ("test/loss", "↓")])
def test_the_arrow_is_that_of_the_metric(make_run, tmp_path, metric, shown):
    result = {"metric": "accuracy", "test": {"accuracy": 0.7, "loss": 0.1}, "best": {"val/accuracy": 0.8}}
    for dim in (32, 64):
        make_run(0.1, model__dim=dim, result=result)
    sides = [[run for run in load(tmp_path) if run.config["model"]["dim"] == dim] for dim in (32, 64)]
    assert shown in markdown(compare(*sides, metric=metric), ("a", "b"))


def test_six_pairs_are_enough_and_folds_are_named(make_run, tmp_path):
    for fold in range(6):
        make_run(0.1, dataset__fold=fold, out=str(tmp_path / "a"))
        make_run(0.2 + 0.01 * fold, dataset__fold=fold, out=str(tmp_path / "b"), model__dim=32)
    text = markdown(compare(load(tmp_path / "a"), load(tmp_path / "b")), ("a", "b"))
    assert "0.03" in text
    assert "at the least" not in text
    assert "Folds share training data" in text


def test_the_limit_of_several_tests_is_that_of_the_one_with_most_pairs(make_run, tmp_path):
    def comparison(n):
        return Comparison("zinc", "test/mae", [0.1] * n, [0.2 + 0.1 * i for i in range(n)], False, False)

    assert "0.062 at the least after correction: it takes 7" in markdown([comparison(6)] * 2, ("a", "b"))
    assert "0.062 at the least: it takes 6" in markdown([comparison(5), comparison(7)], ("a", "b"))
    assert "at the least" not in markdown([comparison(6), comparison(7)], ("a", "b"))


def test_what_cannot_be_compared_says_why(make_run, tmp_path):
    make_run(0.1)
    make_run(0.1, model__dim=32)
    make_run(0.1, seed=5, out=str(tmp_path / "b"))
    with pytest.raises(UsageError, match="A holds several configurations of zinc"):
        compare(load(tmp_path / "runs"), load(tmp_path / "b"))
    with pytest.raises(UsageError, match="nothing to pair"):
        compare(load(tmp_path / "b"), [run for run in load(tmp_path / "runs") if run.config["model"]["dim"] == 32])


def test_data_of_one_name_are_compared_each_with_its_own(make_run, tmp_path):
    def folder(name):
        return {"dataset": name, "choices": {"dataset": "folder", "model": "gps"}}

    for side, dim, names in (("a", 64, "xy"), ("b", 32, "yx"), ("c", 16, "z")):
        for name in names:
            where = {"out": str(tmp_path / side), "dataset__path": name, "model__dim": dim}
            make_run(0.1 if name == "x" else 0.7, result=folder(name), **where)
    found = compare(load(tmp_path / "a"), load(tmp_path / "b"))
    assert {(one.dataset, *one.a, *one.b) for one in found} == {("folder (x)", 0.1, 0.1), ("folder (y)", 0.7, 0.7)}
    with pytest.raises(UsageError, match="nothing to pair"):
        compare(load(tmp_path / "a"), load(tmp_path / "c"))


def test_sides_are_folders_or_conditions(make_run, tmp_path, capsys):
    for seed in range(2):
        make_run(0.1, seed=seed)
        make_run(0.2, seed=seed, model__dim=32)
    assert main(["compare", "model.dim=64", "model.dim=32", "--in", str(tmp_path)]) == 0
    assert "-0.1000" in capsys.readouterr().out
    assert main(["compare", "model.dim=64", "model.dim=3", "--in", str(tmp_path)]) == 2
    assert "no run has model.dim=3" in capsys.readouterr().err
    assert main(["compare", "model.dim=64", "nowhere", "--in", str(tmp_path)]) == 2
    assert "neither a folder" in capsys.readouterr().err
    assert main(["compare", "model.dim=64,zinc", "model.dim=32", "--in", str(tmp_path)]) == 2
    assert "'zinc' is not a condition" in capsys.readouterr().err


def test_several_methods_share_one_correction(make_run, tmp_path, capsys):
    """A against B and against C: each p-value as one of two, and who has no partner said once."""
    for seed in range(8):
        for dim, better in ((64, 0.1), (32, 0.2 + 0.01 * seed), (16, 0.3 + 0.01 * seed)):
            make_run(better, seed=seed, model__dim=dim)
    make_run(0.1, seed=9)
    command = ["compare", *(f"model.dim={dim}" for dim in (64, 32, 16)), "--in", str(tmp_path)]
    assert main(command) == 0
    text = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if line.startswith("| zinc")]
    assert [row[3] for row in rows] == ["B", "C"]
    assert [row[8] for row in rows] == ["0.016", "0.016"]  # 2 / 2⁸, twice
    assert "A: model.dim=64. B: model.dim=32. C: model.dim=16." in text
    assert text.count("no partner in B") == text.count("no partner in C") == 1
