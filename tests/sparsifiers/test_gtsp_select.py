"""Which tokens stay: k of each graph by itself, noise and gradients where they should be, and the part they make."""

import math

import pytest
import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops.attention import pair_ptr
from gnnlab.sparsifiers.gtsp.select import Part, counts, gumbel, highest, softmax, straight_through
from gnnlab.testing import sample


def scored(seed: int = 0) -> tuple[Batch, Tensor]:
    batch = sample().batch()
    return batch, torch.randn(batch.num_nodes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("keep", [0.01, 0.25, 0.3, 0.5, 0.7, 0.75, 1.0])
def test_k_is_the_share_rounded_up_of_each_graph(keep: float) -> None:
    batch, score = scored()
    wanted = [max(1, math.ceil(keep * n - 1e-6)) for n in batch.ptr.diff().tolist()]
    assert counts(batch.ptr.diff(), keep).tolist() == wanted
    mask = highest(score, batch, keep)
    assert torch.zeros(batch.num_graphs).index_add(0, batch.batch, mask.float()).tolist() == wanted


def test_rounding_of_the_share_takes_no_token_more() -> None:
    assert counts(torch.tensor([10, 30, 0]), torch.tensor(0.7, dtype=torch.float64)).tolist() == [7, 21, 0]
    assert counts(torch.tensor([10, 30]), torch.tensor(0.1, dtype=torch.float32)).tolist() == [1, 3]


def test_the_highest_stay() -> None:
    batch, score = scored()
    mask = highest(score, batch, 0.4)
    for first, last in zip(batch.ptr, batch.ptr[1:], strict=False):
        inside, own = mask[first:last], score[first:last]
        assert inside.all() or own[inside].min() > own[~inside].max()


def test_of_equal_ones_those_of_higher_degree_then_the_first() -> None:
    batch, score = scored()
    mask, degree = highest(torch.zeros_like(score), batch, 0.4), batch.rowptr.diff()
    for first, last in zip(batch.ptr, batch.ptr[1:], strict=False):
        inside = mask[first:last]
        order = sorted(range(len(inside)), key=lambda i, own=degree[first:last]: (-int(own[i]), i))
        assert sorted(order[: int(inside.sum())]) == inside.nonzero()[:, 0].tolist()
    noise = 1e-9 * torch.randn(len(score), dtype=torch.float64)
    assert torch.equal(highest(noise, batch, 0.4), mask), "rounding decides"


def test_the_first_stays_where_it_must() -> None:
    batch, score = scored()
    mask = highest(score, batch, 0.1, first_stays=True)
    assert mask[batch.ptr[:-1]].all()
    assert torch.bincount(batch.batch[mask]).tolist() == counts(batch.ptr.diff(), 0.1).tolist()


def test_a_choice_does_not_depend_on_the_rest_of_the_batch() -> None:
    graphs = sample()
    batch, score = scored()
    together = highest(score, batch, 0.5)
    for i, (first, last) in enumerate(zip(batch.ptr, batch.ptr[1:], strict=False)):
        assert torch.equal(highest(score[first:last], graphs.batch(i, i + 1), 0.5), together[first:last])


def test_gradients_reach_the_scores_of_tokens_left_out() -> None:
    """m = hard − sg(y) + y: the value is the hard mask to the bit, the gradient that of the softmax."""
    batch, score = scored()
    score.requires_grad_()
    hard, weight = highest(score, batch, 0.3), torch.randn(batch.num_nodes, dtype=torch.float64)
    mask = straight_through(score, batch, hard, 0.5)
    assert torch.equal(mask, hard.double())
    (got,) = torch.autograd.grad((weight * mask).sum(), score)
    (wanted,) = torch.autograd.grad((weight * softmax(score / 0.5, batch)).sum(), score)
    torch.testing.assert_close(got, wanted)
    alone = batch.ptr.diff()[batch.batch] == 1
    assert (got[~hard & ~alone] != 0).all()


def test_softmax_sums_to_one_in_each_graph() -> None:
    batch, score = scored()
    totals = torch.zeros(batch.num_graphs, dtype=score.dtype).index_add(0, batch.batch, softmax(100 * score, batch))
    torch.testing.assert_close(totals, torch.ones_like(totals))


def test_gumbel_has_its_mean_and_spread() -> None:
    torch.manual_seed(0)
    noise = gumbel(torch.empty(200_000, dtype=torch.float64))
    assert abs(float(noise.mean()) - 0.5772) < 0.01
    assert abs(float(noise.std()) - math.pi / math.sqrt(6)) < 0.01


def test_a_part_has_the_pairs_of_its_nodes() -> None:
    batch, score = scored()
    chosen = highest(score, batch, 0.4)
    part = Part.of(chosen, batch)
    assert torch.equal(part.rows, chosen.nonzero()[:, 0])
    assert part.batch.max_nodes == int(part.batch.ptr.diff().max())
    first, wanted = pair_ptr(batch), []
    for graph in range(batch.num_graphs):
        begin, end = (int(p) for p in batch.ptr[graph : graph + 2])
        inside = [i for i in range(end - begin) if chosen[begin + i]]
        wanted += [int(first[graph]) + i * (end - begin) + j for i in inside for j in inside]
    assert part.pairs(batch).tolist() == wanted
