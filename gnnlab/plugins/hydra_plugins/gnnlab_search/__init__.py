"""`hydra/sweeper=tpe`: Hydra finds its plugins under the name `hydra_plugins`, and nowhere else."""

import os
import sys
from pathlib import Path
from typing import Any, get_args

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gnnlab import search
from gnnlab.config import build
from gnnlab.errors import UsageError

ONE_BY_ONE = (
    "A search gives its launcher one trial at a time. For several at once type the same command several times: "
    "they share one search."
)


class SearchSweeper(Sweeper):
    """Trials one after the other, each launched as a job, as `gnnlab.search` proposes them. Several processes that
    were given the same command share them.

    `trials`: how many. `sampler`: tpe, or random. `seed`: of the sampler. `spare`: the first share of a run's epochs,
    in which it is not given up. `trial`, `folder`: which trial a job is, and of which study; nobody types these.
    """

    def __init__(
        self,
        trials: int,
        sampler: search.Sampler,
        seed: int,
        spare: float,
        trial: int | None = None,
        folder: str | None = None,
    ) -> None:
        self.trials, self.sampler, self.seed, self.spare = trials, sampler, seed, spare
        self.typed = {"trial": trial, "folder": folder}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.loader, self.master = hydra_context.config_loader, config
        self.runner = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run what is left of the trials, and say what was found. Raises `UsageError` for settings that cannot be."""
        if self.sampler not in get_args(search.Sampler):
            known = " or ".join(get_args(search.Sampler))
            raise UsageError(f"hydra.sweeper.sampler={self.sampler} is unknown: {known}.")
        for name, value in self.typed.items():
            if value is not None:
                raise UsageError(f"hydra.sweeper.{name}={value}: the search sets it. How many: hydra.sweeper.trials.")
        for name, value, least in (("trials", self.trials, 1), ("seed", self.seed, 0)):
            if not isinstance(value, int) or value < least:
                raise UsageError(f"hydra.sweeper.{name}={value} is not a whole number of at least {least}.")
        if not isinstance(self.spare, float | int) or not 0 <= self.spare <= 1:
            raise UsageError(f"hydra.sweeper.spare={self.spare} is a share of the epochs: from 0 to 1.")
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise UsageError("torchrun cannot search: each process would try settings of its own. Start without it.")
        parsed = OverridesParser.create(config_loader=self.loader).parse_overrides(arguments)
        fixed, searched = search.space(parsed)
        study = search.Search.under(
            Path(self.master.hydra.sweep.dir),
            fixed,
            searched,
            count=self.trials,
            maximize=self.maximize([*fixed, *search.lowest(searched)]),
            sampler=self.sampler,
            seed=self.seed,
            spare=self.spare,
        )
        if not isinstance(self.runner, BasicLauncher):
            print(ONE_BY_ONE, file=sys.stderr)
        place = QuotedString(str(study.folder), Quote.double).with_quotes()
        for trial in study.proposals():
            job = [*trial.overrides, f"hydra.sweeper.trial={trial.number}", f"hydra.sweeper.folder={place}"]
            try:
                self.composed(job)
            except UsageError as refusal:
                print(f"trial {trial.number}: {refusal}", file=sys.stderr)
                search.tell(study.folder, trial.number, float("nan"))
                continue
            self.runner.launch([job], initial_job_idx=trial.number)
        print(search.summary(study.folder))

    def composed(self, overrides: list[str]) -> Any:
        """The config of a job; raises `UsageError` where its parts do not fit."""
        return self.loader.load_sweep_config(self.master, overrides)

    def maximize(self, overrides: list[str]) -> bool:
        """Whether more of the dataset's metric is better."""
        from gnnlab.tasks import make_task

        cfg = self.composed(overrides)
        return make_task(build(cfg.dataset, source=build(cfg.data)).spec()).maximize
