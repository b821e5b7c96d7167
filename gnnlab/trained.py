"""A run that was trained, here or earlier: its config and numbers, and the model with its best weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from pandas import DataFrame
from torch import nn

from gnnlab.config.check import check
from gnnlab.errors import UsageError
from gnnlab.prepared import Prepared, prepare
from gnnlab.results.history import history
from gnnlab.results.runs import Run, read
from gnnlab.trainer import checkpoint


@dataclass(frozen=True, repr=False)
class TrainedRun(Run):
    """A run folder with `config`, `result` and `metric(name)`, and the model that was trained there.

    `allow`: further packages that its config may name.
    """

    allow: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"{self.folder}: {self.result['status']}, test {self.result.get('test')}"

    def composed(self) -> DictConfig:
        """Its config as `compose` gave it, checked."""
        cfg = OmegaConf.create(self.config)
        check(cfg, allow=self.allow)
        return cfg

    def prepare(self) -> Prepared:
        """Its data, task and model; this with the best weights, in evaluation mode."""
        weights = self.folder / "best.pt"
        if not weights.exists():
            raise UsageError(f"{self.folder} has no best.pt: nothing was evaluated there yet.")
        made = prepare(self.composed())
        try:
            made.model.load_state_dict(checkpoint.read(weights))
        except RuntimeError as error:
            raise UsageError(f"{weights} does not hold the weights of the model in config.yaml beside it.") from error
        made.model.eval()
        return made

    def model(self) -> nn.Module:
        """Its model with the best weights, in evaluation mode."""
        return self.prepare().model

    def history(self) -> DataFrame:
        """A row per epoch: training and validation metrics, learning rate (`logger=csv`)."""
        return DataFrame(history(self.folder))


def load(folder: Path | str, allow: Sequence[str] = ()) -> TrainedRun:
    """The run in `folder`. `allow`: packages of your own that its config may name.

    Raises `UsageError` if that is no run folder.
    """
    run = read(Path(folder))
    return TrainedRun(run.folder, run.config, run.result, tuple(allow))
