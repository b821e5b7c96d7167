"""Scores, allocations and schedules in closed form, and against exhaustive search."""

from itertools import product
from math import prod

import pytest
import torch

from gnnlab.errors import UsageError
from gnnlab.pruning.allocation import erk, least_distortion, uniform, uniform_plus
from gnnlab.pruning.granet import exchange
from gnnlab.pruning.projection import project
from gnnlab.pruning.ramps import cosine, cubic
from gnnlab.pruning.rules import COUNTS, Rule, choose, highest, lamp, num_kept

SHAPES = [(64, 100), (64, 64), (10, 64), (7,)]
RULES: list[Rule] = ["global", "uniform", "uniform_plus", "erk", "lamp"]


def layers(seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) * 2**-i for i, shape in enumerate(SHAPES)]


@pytest.mark.parametrize(
    ("total", "keep", "kept"), [(1000, 0.3, 300), (7, 0.5, 3), (10, 0.1, 1), (3, 1.0, 3), (9, 0.01, 0)]
)
def test_all_but_the_ceiling_go(total: int, keep: float, kept: int) -> None:
    assert num_kept(total, keep) == kept


def test_the_highest_are_so_many_even_among_equal_ones() -> None:
    scores = [torch.tensor([1.0, 1.0, 2.0]), torch.tensor([[1.0, 0.0]])]
    assert [mask.tolist() for mask in highest(scores, 2)] == [[True, False, True], [[False, False]]]
    assert [mask.tolist() for mask in highest(scores, 3)] == [[True, True, True], [[False, False]]]
    assert not any(mask.any() for mask in highest(scores, 0))
    assert all(mask.all() for mask in highest(scores, 5))


def test_the_projection_is_the_nearest_point_with_so_few_entries() -> None:
    weights = [torch.tensor([3.0, -1.0]), torch.tensor([[0.5], [-2.0]])]
    project(weights, 0.5)
    assert [weight.tolist() for weight in weights] == [[3.0, 0.0], [[0.0], [-2.0]]]
    project(weights, 0.5)
    assert [weight.tolist() for weight in weights] == [[3.0, 0.0], [[0.0], [-2.0]]]


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.31, 0.01])
def test_counts_after_projection_are_exact(keep: float) -> None:
    weights = layers()
    project(weights, keep)
    assert sum(int(weight.count_nonzero()) for weight in weights) == num_kept(sum(map(prod, SHAPES)), keep)


def test_lamp_is_its_definition() -> None:
    weight = torch.randn(6, 5).double()
    square = weight.square()
    expected = torch.stack([value / square[square >= value].sum() for value in square.flatten()]).view(6, 5)
    torch.testing.assert_close(lamp(weight), expected)
    assert lamp(weight).max() == 1
    assert torch.equal(lamp(weight).flatten().argsort(), square.flatten().argsort())


def test_lamp_of_equal_weights_and_of_zeros() -> None:
    torch.testing.assert_close(lamp(torch.tensor([2.0, -2.0, 0.0])), torch.tensor([0.5, 0.5, 0.0]).double())
    assert not lamp(torch.zeros(4)).any()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("keep", [1.0, 0.9, 0.75, 0.65])
def test_every_rule_keeps_exactly_as_many_and_the_largest_of_each_layer(rule: Rule, keep: float) -> None:
    weights = layers()
    count = num_kept(sum(map(prod, SHAPES)), keep)
    masks = choose(rule, weights, count)
    assert sum(int(mask.sum()) for mask in masks) == count
    for weight, mask in zip(weights, masks, strict=True):
        if mask.any() and not mask.all():
            assert weight[mask].abs().min() >= weight[~mask].abs().max()


@pytest.mark.parametrize("rule", RULES)
def test_of_fewer_weights_each_was_among_the_more(rule: Rule) -> None:
    more, fewer = (choose(rule, layers(), num_kept(11143, keep)) for keep in (0.9, 0.7))
    assert all(bool((a | ~b).all()) for a, b in zip(more, fewer, strict=True))


def test_uniform_shares_and_uniform_plus() -> None:
    assert uniform([(10, 10), (5, 20), (1, 3)], 102) in ([50, 50, 2], [50, 51, 1], [51, 50, 1])
    assert uniform_plus([(10, 10), (5, 20), (10, 10)], 150) == [100, 25, 25]
    assert uniform_plus([(10, 10), (5, 20), (10, 10)], 125) == [100, 5, 20]
    with pytest.raises(UsageError, match=r"120 of 300 .* must be 0.4000 at least"):
        uniform_plus([(10, 10), (5, 20), (10, 10)], 119)


def test_erk_is_proportional_to_the_sum_of_dimensions_and_fills_up_layers() -> None:
    assert erk([(100, 100), (100, 300)], 600) == [200, 400]
    assert erk([(100, 100), (2, 2)], 1004) == [1000, 4]


@pytest.mark.parametrize("rule", ["uniform", "erk"])
def test_counts_never_exceed_a_layer(rule: str) -> None:
    for count in range(0, 30):
        counts = COUNTS[rule]([(3, 3), (2, 1), (4, 4), (3,)], count)
        assert sum(counts) == count
        assert all(0 <= a <= b for a, b in zip(counts, (9, 2, 16, 3), strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_the_least_distortion_is_that_of_exhaustive_search(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    sizes = [60, 24, 100, 36]
    kept = [[size * level // 5 for level in range(6)] for size in sizes]
    values = [torch.rand(6, generator=generator).sort(descending=True).values.tolist() for _ in sizes]
    for budget in (0, 50, 110, 219, 220):
        found = least_distortion(values, kept, budget)
        allowed = [
            options
            for options in product(range(6), repeat=4)
            if sum(kept[layer][option] for layer, option in enumerate(options)) <= budget
        ]
        cost = min(sum(values[layer][option] for layer, option in enumerate(options)) for options in allowed)
        assert tuple(found) in allowed
        assert sum(values[layer][option] for layer, option in enumerate(found)) == pytest.approx(cost)


def test_a_budget_of_millions_is_kept() -> None:
    kept = [[size * level // 20 for level in range(21)] for size in (1_000_000, 333_333, 77)]
    values = [[1 - level / 20 for level in range(21)]] * 3
    found = least_distortion(values, kept, 700_000)
    assert 650_000 < sum(options[option] for options, option in zip(kept, found, strict=True)) <= 700_000


def test_cubic_and_cosine_schedules() -> None:
    assert cubic(0, 0.1) == 1
    assert cubic(0.5, 0.1) == pytest.approx(1 - 0.7875)
    assert cubic(1, 0.1) == cubic(2, 0.1) == pytest.approx(0.1)
    shares = [cubic(step / 50, 0.1) for step in range(51)]
    assert shares == sorted(shares, reverse=True)
    assert [cosine(p, 0.5, 0.005) for p in (0, 0.5, 1)] == pytest.approx([0.5, 0.2525, 0.005])


def test_an_exchange_drops_the_smallest_and_grows_by_gradient() -> None:
    weight = torch.tensor([5.0, 4.0, 3.0, 2.0, 0.0, 0.0, 0.0])
    mask = weight > 0
    gradient = torch.tensor([9.0, 9.0, 0.5, 0.5, 1.0, 3.0, 2.0])
    assert exchange(weight, mask, gradient, 0.5).tolist() == [True, True, False, False, False, True, True]
    assert exchange(weight, mask, torch.tensor([0.0, 0.0, 9.0, 0.5, 1.0, 3.0, 2.0]), 0.5).tolist() == [
        *[True, True, True, False],  # the third is dropped and comes back
        *[False, True, False],
    ]
    assert exchange(weight, mask, gradient, 0.0).tolist() == mask.tolist()
    everything = torch.ones(7, dtype=torch.bool)
    assert exchange(weight, everything, gradient, 0.5).all()
