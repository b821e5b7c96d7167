"""UGS: Chen et al., "A Unified Lottery Ticket Hypothesis for Graph Neural Networks", ICML 2021."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count, NonNegative, Share
from gnnlab.errors import UsageError
from gnnlab.nn.gate import Gated
from gnnlab.packed import Packed
from gnnlab.pruning.masks import Masks
from gnnlab.pruning.projection import L0
from gnnlab.pruning.prunable import Also
from gnnlab.pruning.rules import highest, num_kept
from gnnlab.sparsifiers.base import Sparsifier
from gnnlab.sparsifiers.edge_mask import EdgeMask
from gnnlab.sparsifiers.undirected import strongest
from gnnlab.sparsifiers.weight_mask import WeightMask, put_on, take_off
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase
from gnnlab.weights import initial, rewind


class UGS(Sparsifier):
    """UGS (Chen et al. 2021): trained masks on edges and weights; the lowest go, in rounds, with weights rewound.

    Phases "masks 1" … "masks `rounds`" train the model with masks on every edge and every weight, near 1 at first, and
    `l1_edges` Σ |mask| + `l1_weights` Σ |mask| in the loss. After each, pairs of edges and weights of the lowest masks
    go, the same share each time, and the rest begins again from the initial weights; "sparse" trains what is left,
    without masks. `epochs`: of a round, by default as many as of the last phase. As in the release, the optimizer's
    weight decay pulls masks towards 0 too.
    """

    needs: ClassVar[tuple[str, ...]] = ("edge_weight", "one_graph", "whole_graphs")
    name: ClassVar[str] = "sparsifier=ugs"

    def __init__(
        self,
        keep: Share,
        graphs: Packed,
        keep_weights: Share = 1.0,
        rounds: Count = 5,
        epochs: Count | None = None,
        l1_edges: NonNegative = 1e-6,
        l1_weights: NonNegative = 1e-5,
        also: tuple[Also, ...] = (),
    ) -> None:
        self.graphs, self.keep, self.rounds, self.epochs = graphs, keep, rounds, epochs
        self.l1_edges, self.l1_weights = l1_edges, l1_weights
        self.weights, self.masks = L0(keep_weights, also), Masks()

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        if not isinstance(model, Gated) or not model.weighs_edges:
            raise UsageError(f"{self.name} masks the edges that convs read, and this model has no layers with one.")
        self.names = list(self.weights.weights(model)) if self.weights.keep < 1 else []
        self.edges, self.start, last = EdgeMask(self.graphs.num_edges, model.aggregation), initial(model), phases[-1]
        model.aggregation = self.edges
        again = replace(last, on_start=None).also(state={"weight masks": self.masks})
        masked = again.also(epochs=self.epochs or last.epochs, objective=self.price, on_step_end=self.bound)
        left = {name: self.edges.left(loader) for name, loader in last.splits(splits).items()}
        fixed = self.masks.hold(again.also(loaders=left))
        first = replace(masked, name="masks 1", on_start=last.on_start).also(on_start=partial(self.begin, 0))
        more = [masked.also(name=f"masks {i + 1}").after(partial(self.begin, i)) for i in range(1, self.rounds)]
        return [*phases[:-1], first, *more, fixed.also(name="sparse").after(partial(self.begin, self.rounds))]

    def begin(self, number: int, model: nn.Module) -> None:
        """After `number` rounds: cut by the masks, back to the initial weights, new masks unless this was the last."""
        self.cut(model, take_off(model, self.names), number / self.rounds)
        rewind(model, self.start)
        self.edges.stop()
        if number < self.rounds:
            self.edges.start()
            self.trained = put_on(model, self.masks.kept)
        else:
            self.masks.apply(model)

    @torch.no_grad()
    def cut(self, model: nn.Module, found: dict[str, WeightMask], done: float) -> None:
        """Fewer edges and weights, by the masks that were trained; all of them where none were."""
        if self.edges.mask is not None:
            score = torch.where(self.edges.kept, self.edges.mask, -torch.inf).cpu()
            self.edges.kept.copy_(strongest(score, self.graphs, self.keep**done))
        weights = self.weights.weights(model)
        kept = [torch.ones_like(weights[name], dtype=torch.bool) for name in self.names]
        if found:
            scores = [torch.where(mask.kept, mask.mask.abs(), -1.0) for mask in found.values()]
            kept = highest(scores, num_kept(sum(score.numel() for score in scores), self.weights.keep**done))
        self.masks.set(self.names, kept)

    def price(self, model: nn.Module, out: Tensor, batch: Batch) -> Tensor:
        """What the loss of a round has beside the task's."""
        assert self.edges.mask is not None
        weights = sum((mask.mask.abs().sum() for mask in self.trained), out.new_zeros(()))
        return self.l1_edges * self.edges.mask.abs().sum() + self.l1_weights * weights

    def bound(self, model: nn.Module, step: int) -> None:
        """What becomes of the masks after a step: nothing here."""

    def report(self, model: nn.Module, splits: Splits, folder: Path) -> dict[str, Any]:
        after = splits["train"].packed.num_edges
        weights = self.weights.report(model, splits, folder)
        return {"edges": after, "edges_kept": after / max(1, self.graphs.num_edges)} | weights
