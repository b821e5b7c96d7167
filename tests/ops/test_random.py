"""Keep-or-drop decisions: the published numbers, the wanted frequencies, the same bits from kernel and plain torch."""

import math

import pytest
import torch

from gnnlab.ops import random
from tests.ops.parity import needs_kernels

PI = ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0))
ZEROS = ((0,) * 4, (0,) * 2)
ONES = ((random.WORD,) * 4, (random.WORD,) * 2)
KNOWN = [  # Random123's known answers
    (7, *ZEROS, (0x5F6FB709, 0x0D893F64, 0x4F121F81, 0x4F730A48)),
    (7, *ONES, (0x5207DDC2, 0x45165E59, 0x4D8EE751, 0x8C52F662)),
    (7, *PI, (0x4DFCCABA, 0x190A87F0, 0xC47362BA, 0xB6B5242A)),
    (10, *ZEROS, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (10, *ONES, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (10, *PI, (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]


@pytest.mark.parametrize(("rounds", "counter", "key", "answer"), KNOWN)
def test_published_numbers(rounds, counter, key, answer):
    words = random.philox(tuple(map(torch.tensor, counter)), tuple(map(torch.tensor, key)), rounds)
    assert tuple(int(word) for word in words) == answer


@pytest.mark.parametrize("p", [0.0, 1e-6, 0.1, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2**40 + 12345, 2**63 - 2, -5])
def test_kernel_decides_the_same(seed, p):
    needs_kernels()
    key = torch.tensor([seed])
    ours = torch.ops.gnnlab.keep(key, 9, p)
    assert torch.equal(ours.bool(), random.keep(key, (9, 128), p))


@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_frequencies_and_no_correlation_at_any_distance(p):
    n = 1 << 20
    kept = random.keep(torch.tensor([7]), n, p).double()
    noise = math.sqrt(p * (1 - p))
    assert abs(kept.mean() - (1 - p)) < 5 * noise / math.sqrt(n)
    standard = (kept - (1 - p)) / noise
    for distance in (1, 2, 3, 16, 31, 32, 33, 64, 127, 128, 129, 2048):
        assert abs((standard[distance:] * standard[:-distance]).mean()) < 5 / math.sqrt(n)


def test_another_seed_is_another_mask():
    masks = torch.stack([random.keep(torch.tensor([seed]), 1 << 16, 0.5) for seed in range(8)]).double() * 2 - 1
    correlation = masks @ masks.T / masks.shape[1] - torch.eye(8)
    assert correlation.abs().max() < 5 / math.sqrt(masks.shape[1])


def test_the_mean_stays():
    for p in (0.0, 0.1, 0.3333, 0.5):
        assert random.scale(p) == 1 / (1 - random.threshold(p) / 65536)
    assert random.scale(1.0) == 0.0


def test_seeds_come_from_the_generator():
    torch.manual_seed(0)
    first, second = random.fresh_seed(torch.device("cpu")), random.fresh_seed(torch.device("cpu"))
    torch.manual_seed(0)
    assert torch.equal(first, random.fresh_seed(torch.device("cpu")))
    assert not torch.equal(first, second)


def test_traceable():
    def draw() -> torch.Tensor:
        return random.keep(random.fresh_seed(torch.device("cpu")), (3, 50), 0.5)

    assert torch.compile(draw, backend="aot_eager", fullgraph=True)().shape == (3, 50)
