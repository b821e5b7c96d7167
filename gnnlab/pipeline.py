"""A run, from a composed config to its result: the table of contents of the framework.

check (gnnlab.config, before this) → seed → data → encodings → model (gnnlab.prepared) → trainer → result.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import mean, stdev

import torch
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from torch.nn import Parameter

from gnnlab.config import build, config_hash
from gnnlab.config.sections import plain
from gnnlab.costs import costs
from gnnlab.datasets.check import num_examples
from gnnlab.errors import Interrupted, UsageError
from gnnlab.files import write_text
from gnnlab.prepared import prepare
from gnnlab.results.folder import RunFolder
from gnnlab.results.provenance import state
from gnnlab.results.record import record, record_failure
from gnnlab.trained import TrainedRun
from gnnlab.trainer import distributed

notice = logging.getLogger(__name__)


def run(cfg: DictConfig, watch: Callable[[int, float], str | None] | None = None) -> TrainedRun:
    """Train and test as `cfg` says; with `resume=auto`, a run that is complete is read.

    `watch`: see `Trainer.fit`. Raises `UsageError` for `dataset.fold=all`, which is several runs.
    """
    if OmegaConf.select(cfg, "dataset.fold") == "all":
        last = len(list(folds(cfg))) - 1
        raise UsageError(f"dataset.fold=all is {last + 1} runs: run them one by one, dataset.fold=0 … {last}.")
    with ExitStack() as stack:
        stack.enter_context(distributed.team())
        folder = stack.enter_context(RunFolder.open(cfg, cfg.resume, state(cfg)))
        if folder.status != "complete":
            try:
                train(cfg, folder.path, folder.status == "unfinished", watch)
            except Exception as error:
                if distributed.rank() == 0 and not isinstance(error, Interrupted):
                    record_failure(cfg, folder.path, error)
                raise
        result = distributed.collect(folder.result)[0]
        return TrainedRun(folder.path, plain(cfg), result, tuple(cfg.allow))


def objective(cfg: DictConfig, watch: Callable[[int, float], str | None] | None = None) -> float:
    """Train and test as the command line does: over every fold for `dataset.fold=all`.

    Returns what a search optimizes: the best validation metric, its mean over the folds. `watch` sees the first fold.
    """
    runs = [run(one, watch if index == 0 else None) for index, one in enumerate(folds(cfg))]
    metric, tests = runs[0].result["metric"], [done.metric("test") for done in runs]
    found = [value for value in tests if value is not None]
    if distributed.rank() == 0:
        notice.info("test %s %s", metric, " ".join("–" if value is None else f"{value:.4f}" for value in tests))
    if distributed.rank() == 0 and len(found) > 1:
        notice.info("test %s %.4f ± %.4f over %d folds", metric, mean(found), stdev(found), len(found))
    return mean(done.result["best"][f"val/{metric}"] for done in runs)


def folds(cfg: DictConfig) -> Iterator[DictConfig]:
    """`cfg` itself, or one config per published fold for `dataset.fold=all`."""
    if OmegaConf.select(cfg, "dataset.fold") != "all":
        yield cfg
        return
    for fold in range(get_class(cfg.dataset._target_).num_folds):
        one = cfg.copy()
        one.dataset.fold = fold
        yield one


def train(cfg: DictConfig, folder: Path, resume: bool, watch: Callable[[int, float], str | None] | None = None) -> None:
    """Prepare, fit, and write the result into `folder`."""
    trainer, optimizer = build(cfg.trainer), build(cfg.optimizer)
    optimizer([Parameter(torch.zeros(1))])  # to be refused before data is loaded
    made = prepare(cfg)
    size = sum(parameter.numel() for parameter in made.model.parameters())
    counts = ", ".join(f"{name} {num_examples(loader.packed):,}" for name, loader in made.loaders.items())
    of = "nodes" if "mask" in made.loaders["train"].packed.node else "graphs"
    fold = OmegaConf.select(cfg, "dataset.fold")
    if fold is not None and (several := getattr(get_class(cfg.dataset._target_), "num_folds", None)):
        counts += f", fold {fold} of {several}"
    if distributed.rank() == 0 and not resume:
        write_text(folder / "phases.json", json.dumps([[phase.name, phase.epochs] for phase in made.phases]))
    if distributed.rank() == 0:
        notice.info("%s: %s parameters; %s: %s", folder, f"{size:,}", of, counts)
        if "csv" not in (cfg.get("logger") or {"csv": None}):
            notice.info("Without logger=csv there is no metrics.csv, which curves and reports are drawn from.")
    fit = trainer.fit(
        made.model,
        made.task,
        made.loaders,
        optimizer,
        build(cfg.scheduler),
        [build(section)(folder=folder) for section in (cfg.get("logger") or {}).values()],
        folder,
        made.phases,
        resume=resume,
        fingerprint=config_hash(cfg),
        watch=watch,
    )
    if distributed.rank() == 0:
        found = {}
        for method in made.methods:
            found |= method.report(made.model, made.last, folder)
        record(cfg, folder, made.spec, made.model, fit, method=found, **costs(made)._asdict())
    if fit.signal:
        raise Interrupted(f"{folder} is complete; stopped by a signal.", fit.signal)
