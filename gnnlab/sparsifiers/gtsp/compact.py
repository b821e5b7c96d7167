"""A model without the heads and layers that are off: equal in its outputs, smaller, and so really faster.

Tokens are chosen as it runs: attention then takes place among the chosen ones alone (`tokens.TokenMask`).
"""

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from statistics import median

import torch
from torch import nn

from gnnlab.batch import Batch
from gnnlab.sparsifiers.gtsp.cost import sites
from gnnlab.sparsifiers.gtsp.switches import HeadMask, LayerMask, Skip
from gnnlab.sparsifiers.gtsp.tokens import TokenMask


def compacted(model: nn.Module) -> nn.Module:
    """A copy of a model with masks in which nothing is masked any more."""
    small = deepcopy(model).eval()
    layers = small.get_submodule("layers")
    assert isinstance(layers, nn.ModuleList)
    for site, (index, layer) in zip(sites(small), enumerate(layers), strict=True):
        if isinstance(site.head_mask, HeadMask):
            heads, site.head_mask = site.head_mask.on.nonzero()[:, 0], None
            site.keep_heads(heads)
        if isinstance(layer, LayerMask):
            layers[index] = layer.layer if bool(layer.on) else Skip(layer.num_states)
    return small


def dense(model: nn.Module) -> nn.Module:
    """A copy of a model with masks, as it was before there were any, with the weights it has now."""
    whole = deepcopy(model).eval()
    layers = whole.get_submodule("layers")
    assert isinstance(layers, nn.ModuleList)
    for site, (index, layer) in zip(sites(whole), enumerate(layers), strict=True):
        site.head_mask = site.token_mask = None
        layers[index] = layer.layer if isinstance(layer, LayerMask) else layer
    return whole


def install(model: nn.Module, tokens: bool, heads: bool, layers: bool) -> None:
    """Put masks of these kinds into a dense model, all of them letting everything through."""
    inner = model.get_submodule("layers")
    assert isinstance(inner, nn.ModuleList)
    for site, (index, layer) in zip(sites(model), enumerate(inner), strict=True):
        if tokens:
            site.token_mask = TokenMask(site.dim, getattr(site, "first_stays", False))
        if heads:
            site.head_mask = HeadMask(site.num_heads)
        if layers:
            inner[index] = LayerMask(layer)


@torch.no_grad()
def seconds(
    models: Mapping[str, nn.Module],
    batch: Batch,
    rounds: int = 20,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median time of a forward pass over `batch` for each model, one model after the other in every round.

    `clock`: `time.process_time` on a busy machine, where a single thread shall not count what others do meanwhile.
    """
    times: dict[str, list[float]] = {name: [] for name in models}
    for number in range(rounds + 2):
        for name, model in models.items():
            begin = clock()
            model.eval()(batch)
            if batch.ptr.is_cuda:
                torch.cuda.synchronize()
            if number >= 2:
                times[name].append(clock() - begin)
    return {name: median(found) for name, found in times.items()}
