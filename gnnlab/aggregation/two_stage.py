"""Snowflakes that learn the nodes' depths in a first training and then train the backbone from scratch with them."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from gnnlab.aggregation.node_depth import NodeDepth, listen
from gnnlab.batch import Batch
from gnnlab.nn.gate import Gate
from gnnlab.packed import Packed
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase
from gnnlab.trainer.splits import Changing, storage
from gnnlab.weights import copy_of, initial, rewind


class TwoStage(NodeDepth):
    """A first phase learns what depths follow from; the phase "gated" trains the backbone from its initial weights.

    `gated`: whether this model is in the second. What the first has learnt is frozen there, and kept with the model: a
    batch that does not carry its depths (node attribute "depth") gets them from that.
    """

    first_phase: str
    gated: Tensor

    def __init__(self, layers: int, stage1_epochs: int | None) -> None:
        super().__init__(layers)
        self.stage1_epochs = stage1_epochs
        self.register_buffer("gated", torch.tensor(False))
        self.found: list[tuple[Packed, dict[str, Tensor], Tensor]] = []

    @abstractmethod
    def explore(self, batch: Batch) -> Gate:
        """The gate of the first phase."""

    @abstractmethod
    def find(self, batch: Batch) -> Tensor:
        """[N] the depths that follow from what was learnt, of a batch on the CPU."""

    def forward(self, batch: Batch) -> Gate:
        return listen(batch, self.depth(self, batch), self.end) if self.gated else self.explore(batch)

    def depth(self, model: nn.Module, batch: Batch) -> Tensor:
        """[N]; this policy alone knows them, `model` is not asked."""
        if "depth" in batch.node:
            return batch.node["depth"]
        return self.find(batch.to("cpu")).to(batch.ptr.device)

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        fresh = initial(model)

        def begin_first(model: nn.Module) -> None:
            self.gated.fill_(False)

        def begin_gated(model: nn.Module) -> None:
            rewind(model, fresh)
            self.gated.fill_(True)

        def carry(graphs: Packed, depth: Tensor) -> Packed:
            return graphs.with_node(depth=depth)

        (only,) = phases
        carrying = {name: Changing(loader, self.depths_of, carry) for name, loader in splits.items()}
        first = replace(only, name=self.first_phase, epochs=self.stage1_epochs or only.epochs)
        gated = replace(only, name="gated", loaders=carrying)
        return [first.also(on_start=begin_first), gated.also(on_start=begin_gated, frozen=self.parameters())]

    def depths_of(self, graphs: Packed) -> Tensor:
        """[N] the depths of a split, found once; splits that are parts of one graph share them."""
        state, place = self.state_dict(), storage(graphs)
        for seen, then, depth in self.found:
            if storage(seen) == place and all(torch.equal(then[name], value) for name, value in state.items()):
                return depth
        self.found = [entry for entry in self.found if storage(entry[0]) != place]
        depth = self.find(graphs.batch())
        self.found.append((graphs, copy_of(self), depth))
        return depth
