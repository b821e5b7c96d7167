"""Sparsifiers that rank edges by the structure alone and remove the weakest before anything is trained."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gnnlab.bounds import Share
from gnnlab.packed import Packed
from gnnlab.sparsifiers.base import Sparsifier
from gnnlab.sparsifiers.undirected import strongest
from gnnlab.trainer import distributed
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase
from gnnlab.trainer.protocols import SplitLoader
from gnnlab.trainer.splits import storage

notice = logging.getLogger(__name__)


class Ranked(Sparsifier):
    """Keeps, of every graph, the share `keep` of its edges that `score` ranks highest.

    The packed data shrinks: every later step costs less time and memory, whatever the model. Encodings stay those of
    the whole graph.
    """

    def __init__(self, keep: Share) -> None:
        self.keep = keep

    @abstractmethod
    def score(self, graphs: Packed) -> Tensor:
        """[E]: edges of greater score stay; those of a graph depend on this graph alone."""

    def kept(self, graphs: Packed) -> Tensor:
        """[E] bool: the edges that stay."""
        if self.keep == 1:
            return torch.ones(graphs.num_edges, dtype=torch.bool)
        return strongest(self.score(graphs), graphs, self.keep)

    def shrunk(self, graphs: Packed) -> Packed:
        """The graphs with fewer edges; themselves where all stay."""
        return graphs.keep_edges(self.kept(graphs))

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        packed = {name: loader.packed for name, loader in splits.items()}
        apart = {storage(graphs): graphs for graphs in packed.values()}  # parts of one graph are scored once
        kept = {place: self.kept(graphs) for place, graphs in apart.items()}
        fewer = {name: graphs.keep_edges(kept[storage(graphs)]) for name, graphs in packed.items()}
        self.before, after = packed["train"].num_edges, fewer["train"].num_edges
        if distributed.rank() == 0:
            notice.info(
                "sparsifier.keep=%g: %s of %s training edges stay.", self.keep, f"{after:,}", f"{self.before:,}"
            )

        def over(phase: Phase) -> dict[str, SplitLoader]:
            return {name: loader.over(fewer[name]) for name, loader in phase.splits(splits).items()}

        return [phase.also(loaders=over(phase)) for phase in phases]

    def report(self, model: nn.Module, splits: Splits, folder: Path) -> dict[str, Any]:
        after = splits["train"].packed.num_edges
        return {"edges": after, "edges_kept": after / max(1, self.before)}
