"""Random keep-or-drop decisions that depend on a seed and an element's number, and on nothing else.

Philox-4x32 with 7 rounds: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. The kernels
(`kernels/csrc/random.h`) decide the same, so a mask is computed where it is needed, again in the backward, and never
stored. Elements come in groups of 128: element 128g + 32w + 2c + h is half h (0: low) of word w of counter 16g + c.
"""

import math

import torch
from torch import Tensor

from gnnlab.ops.recorded.tape import listening

GROUP = 128
ROUNDS = 7
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
WORD = 0xFFFFFFFF


def fresh_seed(device: torch.device) -> Tensor:
    """[1] int64: a seed from torch's generator."""
    seed = torch.randint(2**63 - 1, (1,), device=device)
    if listen := listening():
        listen("fresh_seed", (), seed)
    return seed


def fresh_seeds(count: int) -> tuple[Tensor, ...]:
    """What so many calls of `fresh_seed` would give on the CPU."""
    return torch.randint(2**63 - 1, (count,), device="cpu").split(1) if count else ()


def threshold(p: float) -> int:
    """round(65536 p): an element is kept if its 16 bits are at least this."""
    return int(p * 65536 + 0.5)


def scale(p: float) -> float:
    """What the kept are multiplied by so that the mean stays: 1 / (1 − p), 0 where nothing is kept."""
    return 65536 / (65536 - threshold(p)) if threshold(p) < 65536 else 0.0


def keep(seed: Tensor, shape: int | tuple[int, ...], p: float) -> Tensor:
    """Bool of `shape`: True with probability 1 − p, for elements 0, 1, 2, … in row-major order."""
    shape = (shape,) if isinstance(shape, int) else shape
    count = math.prod(shape)
    groups = torch.arange((count + GROUP - 1) // GROUP, device=seed.device)
    return keep_groups(seed, groups, p).flatten()[:count].view(shape)


def keep_groups(seed: Tensor, groups: Tensor, p: float) -> Tensor:
    """The decisions of whole groups: int64 [...] to bool [..., 128]."""
    counter = groups.unsqueeze(-1) * 16 + torch.arange(16, device=groups.device)
    zero = torch.zeros_like(counter)
    words = philox((counter & WORD, counter >> 32 & WORD, zero, zero), (seed & WORD, seed >> 32 & WORD))
    halves = torch.stack([torch.stack([word & 0xFFFF, word >> 16], -1) for word in words], -3)
    return (halves >= threshold(p)).flatten(-3)


def philox(
    counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[Tensor, Tensor], rounds: int = ROUNDS
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Four words for each counter of four words, all int64 in [0, 2³²): products wrap, and keep their low 64 bits."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(rounds):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> 32 & WORD) ^ c1 ^ k0, p1 & WORD, (p0 >> 32 & WORD) ^ c3 ^ k1, p0 & WORD
        k0, k1 = k0 + WEYL[0] & WORD, k1 + WEYL[1] & WORD
    return c0, c1, c2, c3
