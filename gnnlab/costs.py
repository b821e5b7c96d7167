"""What a trained model costs, and what there is of it: numbers in every result, whatever methods took part."""

import logging
from collections.abc import Sequence
from functools import reduce
from statistics import mean
from typing import NamedTuple

from torch import nn

from gnnlab.batch import Batch
from gnnlab.nn.multi_head import MultiHead
from gnnlab.ops.flops import flops_per_graph, sums_per_graph
from gnnlab.prepared import Prepared
from gnnlab.pruning.macs import macs_per_graph
from gnnlab.sparsifiers.gtsp.select import counts
from gnnlab.sparsifiers.gtsp.switches import Skip
from gnnlab.sparsifiers.gtsp.tokens import TokenMask

notice = logging.getLogger(__name__)


class Costs(NamedTuple):
    """FLOPs and sums per graph (`gnnlab.ops.flops`), None where they cannot be counted; `nonzeros`: see there."""

    flops: int | None
    sums: int | None
    nonzeros: dict[str, float]


def costs(made: Prepared) -> Costs:
    """Of a model as it would be used, on graphs of the last phase: what methods have masked is not there.

    A notice where they cannot be counted: plain torch may take more memory than the training did.
    """
    device = next(made.model.parameters()).device
    try:
        model = reduce(lambda model, method: method.deployed(model), made.methods, made.model)
        sample = [batch.to(device) for batch in made.last["val"].sample()]
        edges = made.last["train"].packed.num_edges
        found = {"edges": edges, **nonzeros(model, sample), "macs_per_graph": macs_per_graph(model, sample)[1]}
        return Costs(flops_per_graph(model, sample), sums_per_graph(model, sample), found)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        notice.warning("The FLOPs are not counted, the run is recorded without: %s: %s", type(error).__name__, reason)
        return Costs(None, None, {})


def nonzeros(model: nn.Module, sample: Sequence[Batch]) -> dict[str, float]:
    """Of a model: its weights that are not 0, its layers, and if it has attention, the heads and the tokens of these.

    Tokens are the nodes of a graph that a layer's attention reads, in the mean over layers and `sample`.
    """
    found: dict[str, float] = {"weights": sum(int(weight.count_nonzero()) for weight in model.parameters())}
    layers = getattr(model, "layers", None)
    if isinstance(layers, nn.ModuleList):
        found["layers"] = sum(not isinstance(layer, Skip) for layer in layers)
    if sites := [part for part in model.modules() if isinstance(part, MultiHead)]:
        found["heads"] = sum(site.num_heads for site in sites)
        found["tokens"] = mean(tokens(site, batch) for site in sites for batch in sample)
    return found


def tokens(site: MultiHead, batch: Batch) -> float:
    """Nodes of a graph of `batch` that this attention reads, in the mean."""
    nodes = batch.ptr.diff()
    kept = counts(nodes, site.token_mask.keep) if isinstance(site.token_mask, TokenMask) else nodes
    return float(kept.double().mean())
