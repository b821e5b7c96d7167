"""The training methods that a config chooses, in the order in which each makes its phases of those before it."""

from omegaconf import DictConfig
from torch import nn

from gnnlab.config import build
from gnnlab.errors import UsageError
from gnnlab.nn.gate import Gated
from gnnlab.packed import Packed
from gnnlab.spec import GraphSpec
from gnnlab.trainer.method import Method


def methods(cfg: DictConfig, model: nn.Module, spec: GraphSpec, graphs: Packed) -> list[Method]:
    """An aggregation policy, around it a sparsifier, around both the pruning of weights, those that are chosen.

    The policy becomes a part of `model`. `graphs`: the training split.
    """
    found: list[Method] = []
    if cfg.get("aggregation"):
        if not isinstance(model, Gated) or not model.weighs_edges:
            raise UsageError("aggregation=… has no edges to weigh: this model has no conv. Give it a model/conv.")
        policy = build(cfg.aggregation, {"spec": spec, "graphs": graphs, "depth": len(model.layers)})
        model.aggregation = policy
        found.append(policy)
    if cfg.get("sparsifier"):
        found.append(build(cfg.sparsifier, {"spec": spec, "graphs": graphs, "seed": cfg.seed}))
    if cfg.get("pruning"):
        found.append(build(cfg.pruning))
    return found
