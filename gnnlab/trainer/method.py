"""A training method: what it makes of the phases there are, and what it can tell of the outcome."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from gnnlab.trainer.phase import Phase
from gnnlab.trainer.protocols import SplitLoader

Splits = Mapping[str, SplitLoader]


class Method:
    """What an aggregation policy, sparsifier or pruning overrides to train in its own way; by default nothing."""

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        """The phases of this method, made of those that train without it; `model` has its initial weights.

        Called again when a run is resumed or verified, with the same arguments: it must not look at anything else.
        """
        return phases

    def report(self, model: nn.Module, splits: Splits, folder: Path) -> dict[str, Any]:
        """What to write into the result of a trained `model`, figures drawn into `folder` beside it.

        `splits`: those of the last phase.
        """
        return {}

    def deployed(self, model: nn.Module) -> nn.Module:
        """A trained `model` as it would be used, where that is another: its costs are those of a run."""
        return model
