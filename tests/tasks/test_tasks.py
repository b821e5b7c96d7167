"""Losses and metrics by hand-computed values and against the benchmark's definitions."""

import math

import pytest
import torch
from torch.nn import functional

from gnnlab.batch import Real
from gnnlab.spec import GraphSpec
from gnnlab.tasks import make_task
from gnnlab.tasks.metrics import METRICS, class_weights


def task_of(target, num_targets, metric, **options):
    return make_task(GraphSpec("t", "node", target, num_targets, metric, **options))


class Rows:
    """A batch as far as a task looks at it."""

    real, is_padded, graph = Real(), False, {}

    def __init__(self, y, mask=None):
        self.y, self.mask = y, mask


def test_words_are_scored_as_ogb_does() -> None:
    evaluator = pytest.importorskip("ogb.graphproppred").Evaluator("ogbg-code2")
    generator = torch.Generator().manual_seed(0)
    end, task = 6, make_task(GraphSpec("t", "graph", "sequence", 7, "subtoken_f1", length=4))
    out = torch.randn(200, 28, generator=generator)
    names = [torch.randint(9, (int(n),), generator=generator).tolist() for n in torch.randint(1, 7, (200,))]
    names = [[word + 2 * (word >= end - 1) for word in name] for name in names]  # 5: unknown, above 6: never predicted
    sets = [list(dict.fromkeys(name)) for name in names]
    batch = Rows(torch.zeros(200, 4, dtype=torch.long))
    batch.graph = {"words": torch.tensor([words + [-1] * (6 - len(words)) for words in sets])}
    said = [row.tolist() for row in out.view(200, 4, 7).argmax(-1)]
    said = [row[: row.index(end)] if end in row else row for row in said]
    exact = evaluator.eval({"seq_ref": names, "seq_pred": said})["F1"]
    assert 0.1 < exact < 0.9
    assert task.score(*task.predictions(out, batch)) == {"subtoken_f1": pytest.approx(exact)}


def test_a_sequence_costs_the_mean_of_its_places() -> None:
    task = make_task(GraphSpec("t", "graph", "sequence", 7, "subtoken_f1", length=4))
    out, y = torch.randn(5, 28), torch.randint(7, (5, 4))
    places = [functional.cross_entropy(out[:, 7 * i : 7 * (i + 1)], y[:, i]) for i in range(4)]
    torch.testing.assert_close(task.loss(out, Rows(y)), torch.stack(places).mean())


def test_class_weights_are_the_share_of_the_others_and_zero_for_absent_classes():
    weights = class_weights(torch.tensor([0, 0, 0, 2]), 4)
    torch.testing.assert_close(weights, torch.tensor([0.25, 0.0, 0.75, 0.0]))


def test_weighted_cross_entropy_on_balanced_classes_is_the_plain_one():
    out, y = torch.randn(12, 3), torch.arange(12) % 3
    weighted = task_of("multiclass", 3, "balanced_accuracy", weighted_loss=True).loss(out, Rows(y))
    torch.testing.assert_close(weighted, functional.cross_entropy(out, y))


def test_weighted_binary_loss_divides_by_the_number_of_nodes():
    y = torch.tensor([[1.0], [0.0], [0.0], [0.0]])
    task = task_of("binary", 1, "balanced_accuracy", weighted_loss=True)
    # logit 0 costs log 2 everywhere; weights 3/4 for the one positive and 1/4 for each of three negatives
    assert task.loss(torch.zeros(4, 1), Rows(y)).item() == pytest.approx(math.log(2) * 1.5 / 4)


def test_balanced_accuracy_is_the_mean_recall():
    y = torch.tensor([0, 0, 0, 1])
    out = functional.one_hot(torch.tensor([0, 0, 0, 0]), 2).float()
    assert METRICS["accuracy"](out, y) == 0.75
    assert METRICS["balanced_accuracy"](out, y) == 0.5


def test_macro_f1_by_hand_and_as_scikit_learn_counts_classes():
    y = torch.tensor([0, 0, 1, 1, 3])
    out = functional.one_hot(torch.tensor([0, 1, 1, 1, 2]), 6).float()
    # F1 of class 0: 2/3, of 1: 4/5, of 2 (never true) and 3 (never predicted): 0; 4 and 5 occur nowhere
    assert METRICS["f1"](out, y) == pytest.approx((2 / 3 + 4 / 5) / 4)
    assert METRICS["f1"](functional.one_hot(y, 4).float(), y) == 1


def test_rmse_trains_on_squares_and_averages_the_roots_of_columns():
    out, y = torch.zeros(2, 2), torch.tensor([[3.0, 0.0], [1.0, 2.0]])
    task = task_of("regression", 2, "rmse")
    assert task.loss(out, Rows(y)).item() == (9 + 1 + 4) / 4
    assert task.score(out, y) == {"rmse": pytest.approx((5**0.5 + 2**0.5) / 2)}
    assert not task.maximize
    assert task_of("multiclass", 3, "f1").maximize


def test_one_logit_and_two_logits_agree():
    logit, y = torch.randn(50, 1), torch.randint(2, (50, 1)).float()
    both = torch.cat([torch.zeros(50, 1), logit], dim=1)
    for metric in ("accuracy", "balanced_accuracy"):
        assert METRICS[metric](logit, y) == METRICS[metric](both, y.flatten())


def test_ranking_metrics_skip_unknown_targets_and_one_class_labels():
    out = torch.tensor([[0.9, 0.0], [0.1, 0.0], [0.8, 0.0], [5.0, 0.0]])
    y = torch.tensor([[1.0, 1.0], [0.0, 1.0], [1.0, 1.0], [math.nan, math.nan]])
    assert METRICS["roc_auc"](out, y) == 1.0
    assert METRICS["ap"](out, y) == 1.0


def test_constant_predictions_are_chance_in_roc_auc():
    y = torch.tensor([[1.0], [0.0], [1.0], [0.0], [0.0]])
    assert METRICS["roc_auc"](torch.zeros(5, 1), y) == 0.5


def test_roc_auc_against_counting_pairs():
    generator = torch.Generator().manual_seed(0)
    out, y = torch.randn(40, 1, generator=generator), torch.randint(2, (40, 1), generator=generator).float()
    positive, negative = out[y == 1], out[y == 0]
    wins = (positive[:, None] > negative[None]).double().mean().item()
    assert METRICS["roc_auc"](out, y) == pytest.approx(wins, abs=1e-6)


def test_a_mask_selects_the_nodes_of_the_split():
    task = task_of("regression", 1, "mae")
    out, y = torch.zeros(4, 1), torch.tensor([[1.0], [2.0], [30.0], [40.0]])
    batch = Rows(y, mask=torch.tensor([True, True, False, False]))
    assert task.loss(out, batch).item() == 1.5
    assert task.count(batch) == 2
    assert task.score(*task.predictions(out, batch)) == {"mae": 1.5}


def test_unknown_labels_carry_no_loss_and_no_gradient():
    task = task_of("multilabel", 2, "ap")
    out = torch.zeros(2, 2, requires_grad=True)
    loss = task.loss(out, Rows(torch.tensor([[1.0, math.nan], [0.0, 1.0]])))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert out.grad[0, 1] == 0


def test_a_batch_that_weighs_nothing_costs_nothing():
    """Nodes of one class under class weights, and labels of which none is known."""
    for target, y in (
        ("multiclass", torch.tensor([2, 2, 2])),
        ("binary", torch.ones(3, 1)),
        ("multilabel", torch.full((3, 4), math.nan)),
    ):
        out = torch.randn(3, 1 if target == "binary" else 4, requires_grad=True)
        task = task_of(target, 4, "ap" if target == "multilabel" else "balanced_accuracy", weighted_loss=True)
        loss = task.loss(out, Rows(y))
        loss.backward()
        assert loss.item() == 0
        assert out.grad is not None
        assert not out.grad.any()


def test_partly_labelled_parts_add_up_to_the_batch():
    task, generator = task_of("multilabel", 3, "ap"), torch.Generator().manual_seed(0)
    out, y = torch.randn(8, 3, generator=generator).double(), torch.randint(2, (8, 3), generator=generator).double()
    y[torch.rand(8, 3, generator=generator) < 0.5] = math.nan
    y[:2] = math.nan
    parts = [(out[rows], Rows(y[rows])) for rows in (slice(0, 2), slice(2, 3), slice(3, 8))]
    counts = [task.count(batch) for _, batch in parts]
    assert counts[0] == 0
    assert sum(counts) == task.count(Rows(y)) == int((~y.isnan()).sum())
    total = sum(float(task.loss(*part)) * count for part, count in zip(parts, counts, strict=True))
    assert total / sum(counts) == pytest.approx(float(task.loss(out, Rows(y))), rel=1e-12)


def test_confident_logits_are_not_ties():
    out, y = torch.tensor([[40.0], [50.0], [60.0], [70.0]]), torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    for metric in ("roc_auc", "ap"):
        assert METRICS[metric](out, y) == METRICS[metric](-out, 1 - y) == 1.0
    assert METRICS["roc_auc"](torch.tensor([[40.0], [60.0], [60.0], [70.0]]), y) == 0.875, "equal logits still tie"
