"""Sparsifiers that rank edges by the structure alone and remove the weakest before anything is trained."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from gnnlab.errors import check_share
from gnnlab.packed import Packed
from gnnlab.sparsifiers.base import Sparsifier
from gnnlab.sparsifiers.undirected import strongest
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase
from gnnlab.trainer.protocols import SplitLoader


class Ranked(Sparsifier):
    """Keeps, of every graph, the share `keep` of its edges that `score` ranks highest.

    The packed data shrinks: every later step costs less time and memory, whatever the model. Encodings stay those of
    the whole graph.
    """

    def __init__(self, keep: float) -> None:
        check_share("sparsifier.keep", keep)
        self.keep = keep

    @abstractmethod
    def score(self, graphs: Packed) -> Tensor:
        """[E]: edges of greater score stay; those of a graph depend on this graph alone."""

    def shrunk(self, graphs: Packed) -> Packed:
        """The graphs with fewer edges; themselves where all stay."""
        return graphs if self.keep == 1 else graphs.keep_edges(strongest(self.score(graphs), graphs, self.keep))

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        fewer = {name: self.shrunk(loader.packed) for name, loader in splits.items()}
        self.before = splits["train"].packed.num_edges

        def over(phase: Phase) -> dict[str, SplitLoader]:
            return {name: loader.over(fewer[name]) for name, loader in (phase.loaders or splits).items()}

        return [phase.also(loaders=over(phase)) for phase in phases]

    def report(self, model: nn.Module, splits: Splits, folder: Path) -> dict[str, Any]:
        after = splits["train"].packed.num_edges
        return {"edges": after, "edges_kept": after / max(1, self.before)}
