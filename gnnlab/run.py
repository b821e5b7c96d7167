"""A run, from a composed config to its result: the table of contents of the framework.

check (gnnlab.config, before this) → seed → data → encodings → model → trainer → result.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from torch import nn

from gnnlab.budget import widen
from gnnlab.config import build, config_hash
from gnnlab.datasets.loader import Loader
from gnnlab.encodings import attach
from gnnlab.methods import methods
from gnnlab.nn.lsuv import lsuv
from gnnlab.ops import backend
from gnnlab.results.folder import RunFolder
from gnnlab.results.record import flops_per_graph, record, record_failure, sums_per_graph
from gnnlab.spec import GraphSpec
from gnnlab.tasks import Task, make_task
from gnnlab.trainer import distributed
from gnnlab.trainer.method import Method
from gnnlab.trainer.phase import Phase
from gnnlab.trainer.seed import seed_everything
from gnnlab.trainer.signals import Interrupted

notice = logging.getLogger(__name__)


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
        return self.phases[-1].loaders or self.loaders


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


def run(cfg: DictConfig, watch: Callable[[int, float], str | None] | None = None) -> float:
    """Train and test as `cfg` says, over every fold for `dataset.fold=all`.

    Returns the best validation metric, its mean over the folds. `watch`: see `Trainer.fit`; it sees the first fold.
    """
    results = [run_one(one, watch if index == 0 else None) for index, one in enumerate(folds(cfg))]
    metric = results[0]["metric"]
    tests = [result["test"][metric] for result in results]
    if distributed.rank() == 0:
        notice.info("test %s %s", metric, " ".join(f"{value:.4f}" for value in tests))
    if distributed.rank() == 0 and len(tests) > 1:
        notice.info("test %s %.4f ± %.4f over %d folds", metric, mean(tests), stdev(tests), len(tests))
    return mean(result["best"][f"val/{metric}"] for result in results)


def folds(cfg: DictConfig) -> Iterator[DictConfig]:
    """`cfg` itself, or one config per published fold for `dataset.fold=all`."""
    if OmegaConf.select(cfg, "dataset.fold") != "all":
        yield cfg
        return
    for fold in range(get_class(cfg.dataset._target_).num_folds):
        one = cfg.copy()
        one.dataset.fold = fold
        yield one


def run_one(cfg: DictConfig, watch: Callable[[int, float], str | None] | None = None) -> dict[str, Any]:
    """One training of one fold; returns what its `result.json` holds, also where it was complete before."""
    with ExitStack() as stack:
        stack.enter_context(distributed.team())
        folder = stack.enter_context(RunFolder.open(cfg, cfg.resume))
        if folder.status != "complete":
            try:
                train(cfg, folder.path, folder.status == "unfinished", watch)
            except Exception as error:
                if distributed.rank() == 0 and not isinstance(error, Interrupted):
                    record_failure(cfg, folder.path, error)
                raise
        return distributed.collect(folder.result)[0]


def train(cfg: DictConfig, folder: Path, resume: bool, watch: Callable[[int, float], str | None] | None = None) -> None:
    """Prepare, fit, and write the result into `folder`."""
    trainer = build(cfg.trainer)
    made = prepare(cfg)
    size = sum(parameter.numel() for parameter in made.model.parameters())
    counts = ", ".join(f"{name} {loader.packed.num_graphs:,}" for name, loader in made.loaders.items())
    if distributed.rank() == 0:
        notice.info("%s: %s parameters; graphs: %s", folder, f"{size:,}", counts)
    fit = trainer.fit(
        made.model,
        made.task,
        made.loaders,
        build(cfg.optimizer),
        build(cfg.scheduler),
        [build(section)(folder=folder) for section in (cfg.get("logger") or {}).values()],
        folder,
        made.phases,
        resume=resume,
        fingerprint=config_hash(cfg),
        watch=watch,
    )
    if distributed.rank() == 0:
        sample = made.last["val"].sample().to(next(made.model.parameters()).device)
        found = {}
        for method in made.methods:
            found |= method.report(made.model, made.last, folder)
        flops = found.pop("flops_per_graph", None) or flops_per_graph(made.model, sample)
        sums = sums_per_graph(made.model, sample)
        record(cfg, folder, made.spec, made.model, fit, flops, found, sums)
    if fit.signal:
        raise Interrupted(f"{folder} is complete; stopped by a signal.", fit.signal)
