"""Figures show the numbers of their runs: read back from the drawn lines, bars and points."""

import json

import numpy as np
import pytest

from gnnlab.errors import UsageError
from gnnlab.results.__main__ import main
from gnnlab.results.figure_labels import apart
from gnnlab.results.plot import MOST, bars, curves, front, pareto
from gnnlab.results.runs import load
from gnnlab.results.series import more_is_better
from tests.results.histories import epochs


def texts(figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_a_curve_is_the_mean_over_seeds_where_all_have_epochs(make_run, tmp_path):
    epochs(make_run(0.1, seed=0), [1.0, 0.8, 0.6])
    epochs(make_run(0.1, seed=1), [3.0, 1.0])
    make_run(0.1, seed=2)  # without metrics.csv
    figure = curves(load(tmp_path))
    (ax,) = figure.axes
    assert ax.get_ylabel() == "val/mae"
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[0, 2.0], [1, 0.9]])
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(2.0 + np.sqrt(2))
    assert texts(figure) == ["gps  (2)"]


def test_the_best_curves_are_shown_and_said_to_be(make_run, tmp_path):
    for i in range(MOST + 2):
        epochs(make_run(0.1 * (i + 1), model__dim=i, overrides=(f"model.dim={i}",)), [1.0, 0.1 * (i + 1)])
    figure = curves(load(tmp_path))
    assert len(texts(figure)) == MOST
    assert figure.axes[0].get_title(loc="right") == f"the {MOST} best of {MOST + 2}"
    assert f"{MOST + 1}  (1)" not in texts(figure)


def test_bars_are_means_best_first_and_start_at_zero(make_run, tmp_path):
    for dim, values in {32: (0.4, 0.6), 64: (0.1, 0.3)}.items():
        for seed, mae in enumerate(values):
            make_run(mae, seed=seed, model__dim=dim, overrides=(f"model.dim={dim}",))
    (ax,) = bars(load(tmp_path)).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["64  (2)", "32  (2)"]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.2, 0.5])
    assert ax.get_xlim()[0] == 0


def test_small_differences_get_no_bars(make_run, tmp_path):
    make_run(0.90, model__dim=32)
    make_run(0.91, model__dim=64)
    (ax,) = bars(load(tmp_path)).axes
    assert not ax.patches
    assert ax.get_xlim()[0] > 0.8


def test_bars_keep_their_width_beside_long_names(make_run, tmp_path):
    for i in (1, 2):
        name = "of many words, " * 6 + str(i)
        make_run(i, model__name=name, overrides=(f"model.name='{name}'",))
    (ax,) = (figure := bars(load(tmp_path))).axes
    figure.canvas.draw()
    assert ax.get_window_extent().width > 1.5 * figure.dpi


def test_the_front_is_what_none_beats():
    points = [(1, 0.5), (2, 0.3), (3, 0.4), (2, 0.6), (4, 0.3)]
    assert front(points, maximize=False) == {0, 1}
    assert front(points, maximize=True) == {0, 3}


def test_which_way_is_better(make_run, tmp_path):
    make_run(0.1)
    (run,) = load(tmp_path)
    assert [more_is_better(run, name) for name in ("test", "val/mae", "val/ap", "seconds")] == [
        False,
        False,
        True,
        False,
    ]


def test_names_are_as_long_as_it_takes_to_tell_groups_apart(make_run, tmp_path):
    def names(*by):
        return [label.get_text() for label in bars(load(tmp_path), by=by).axes[0].get_yticklabels()]

    make_run(0.1)
    make_run(0.2, sparsifier__keep=0.5)
    assert names("sparsifier.keep", "model") == ["gps  (1)", "keep=0.5, gps  (1)"]
    make_run(0.3, pruning__keep=0.5)
    assert names("sparsifier.keep", "pruning.keep") == ["gps  (1)", "sparsifier.keep=0.5  (1)", "pruning.keep=0.5  (1)"]


def test_a_bar_holds_a_seed_once_and_says_what_it_pools(make_run, tmp_path, caplog):
    make_run(0.1, model__dim=32)
    make_run(0.2, model__dim=64, seed=1)
    bars(load(tmp_path), by=["model"])
    assert "gps pools 2 configurations, which differ in model.dim." in caplog.text
    make_run(0.3, model__dim=64)
    with pytest.raises(UsageError, match=r"2 of them have seed 0: add model\.dim to --by"):
        bars(load(tmp_path), by=["model"])


def test_pareto_draws_a_point_per_group(make_run, tmp_path):
    for dim, parameters, mae in ((1, 100, 0.5), (2, 2000, 0.3), (3, 3000, 0.4)):
        run = make_run(mae, model__dim=dim, overrides=(f"model.dim={dim}",))
        result = json.loads((run / "result.json").read_text()) | {"parameters": parameters}
        (run / "result.json").write_text(json.dumps(result))
    figure = pareto(load(tmp_path))
    (ax,) = figure.axes
    assert ax.get_xscale() == "log"
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[100, 0.5], [2000, 0.5], [2000, 0.3]])
    assert sorted(texts(figure)) == ["1", "2", "3"]
    with pytest.raises(UsageError, match="No run has the metric 'weight'"):
        pareto(load(tmp_path), cost="weight")


def test_names_move_apart_as_little_as_they_can():
    assert apart([0.0, 1.0], 0.1) == [0.0, 1.0]
    assert apart([0.5, 0.5], 0.2) == pytest.approx([0.4, 0.6])
    assert apart([0.0, 0.0, 1.0], 0.1) == pytest.approx([-0.05, 0.05, 1.0])
    assert apart([], 0.1) == []


def test_files_are_the_same_each_time_and_of_the_kind_asked_for(make_run, tmp_path, capsys):
    epochs(make_run(0.1), [1.0, 0.5])
    for name in ("a.svg", "b.svg", "c.png", "d.pdf"):
        assert main(["plot", str(tmp_path / "runs"), "curves", "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert main(["plot", str(tmp_path / "runs"), "curves", "-o", "e.doc"]) == 2
    assert "end in .svg" in capsys.readouterr().err


def test_runs_without_the_metric_are_left_out(make_run, tmp_path):
    make_run(0.1)
    other = make_run(0.2, model__dim=32)
    result = json.loads((other / "result.json").read_text()) | {"method": {"edges": 0.5}}
    (other / "result.json").write_text(json.dumps(result))
    assert len(bars(load(tmp_path), metric="method.edges").axes[0].get_yticklabels()) == 1
    assert len(texts(pareto(load(tmp_path), cost="method.edges"))) == 1


def test_nothing_to_draw_says_why(make_run, tmp_path):
    run = make_run(0.1)
    with pytest.raises(UsageError, match=r"No metrics\.csv of these runs has 'val'"):
        curves(load(tmp_path))
    (run / "result.json").unlink()
    with pytest.raises(UsageError, match="None of these runs is complete"):
        bars(load(tmp_path))
