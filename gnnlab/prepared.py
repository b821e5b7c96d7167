"""From a config to all that a training needs: seed → data → encodings → model → task and methods."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

from omegaconf import DictConfig
from torch import nn

from gnnlab.budget import widen
from gnnlab.config import build
from gnnlab.datasets.loader import Loader
from gnnlab.encodings import attach
from gnnlab.errors import UsageError
from gnnlab.nn.gate import Gated
from gnnlab.nn.lsuv import lsuv
from gnnlab.ops import backend
from gnnlab.packed import Packed
from gnnlab.spec import GraphSpec
from gnnlab.tasks import Task, make_task
from gnnlab.trainer import distributed
from gnnlab.trainer.method import Method
from gnnlab.trainer.phase import Phase
from gnnlab.trainer.seed import seed_everything


@dataclass
class Prepared:
    """Everything a trainer needs, built from the config alone."""

    spec: GraphSpec
    task: Task
    loaders: dict[str, Loader]
    model: nn.Module
    methods: list[Method]
    phases: list[Phase]

    @property
    def last(self) -> Mapping[str, Any]:
        """The splits that the trained model is evaluated on."""
        return self.phases[-1].splits(self.loaders)


def prepare(cfg: DictConfig) -> Prepared:
    """Load the data, compute its encodings, build model and task; the seed decides the initial weights."""
    backend.use(cfg.ops)
    source = build(cfg.data)
    splits, spec = build(cfg.dataset, source=source).load()
    encodings = [build(section) for _, section in sorted((cfg.get("encoding") or {}).items())]
    splits = attach(encodings, splits, source.cache)
    loader = partial(build(cfg.loader), seed=cfg.seed, rank=distributed.rank(), world=distributed.world())
    loaders = {name: loader(packed, shuffle=name == "train") for name, packed in splits.items()}
    section = deepcopy(cfg.model)
    if cfg.budget is not None:
        widen(section, cfg.budget, lambda: build(section, spec=spec, encodings=encodings))
    seed_everything(cfg.seed)
    model, task = build(section, spec=spec, encodings=encodings), make_task(spec)
    if cfg.init == "lsuv":
        lsuv(model, next(loaders["train"].epoch(0)))
    chosen = methods(cfg, model, spec, loaders["train"].packed)
    phases: Sequence[Phase] = [Phase("train", cfg.trainer.max_epochs)]
    for method in chosen:
        phases = method.phases(phases, model, loaders)
    return Prepared(spec, task, loaders, model, chosen, list(phases))


def methods(cfg: DictConfig, model: nn.Module, spec: GraphSpec, graphs: Packed) -> list[Method]:
    """An aggregation policy, around it a sparsifier, around both the pruning of weights, those that are chosen.

    The policy becomes a part of `model`. `graphs`: the training split.
    """
    found: list[Method] = []
    if cfg.get("aggregation"):
        if not isinstance(model, Gated) or not model.weighs_edges:
            raise UsageError(
                "aggregation=… has no edges to weigh: this model has no layers with a model/conv. Give it some."
            )
        policy = build(cfg.aggregation, {"spec": spec, "graphs": graphs, "depth": len(model.layers)})
        model.aggregation = policy
        found.append(policy)
    if cfg.get("sparsifier"):
        found.append(build(cfg.sparsifier, {"spec": spec, "graphs": graphs, "seed": cfg.seed}))
    if cfg.get("pruning"):
        found.append(build(cfg.pruning))
    return found
