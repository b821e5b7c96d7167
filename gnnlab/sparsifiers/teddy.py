"""TEDDY: Seo, Yun & Yang, "TEDDY: Trimming Edges with Degree-based Discrimination strategY", ICLR 2024.

One shot of edges and weights: a teacher is trained on the whole graph, then a student from the same initial weights,
on the graph with fewer edges, with L = task + λ · mean KL(teacher ‖ student) and a projection of its weights onto an
ℓ0 ball after every step.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gnnlab.bounds import NonNegative, Share
from gnnlab.packed import Packed
from gnnlab.pruning.projection import L0
from gnnlab.pruning.prunable import Also
from gnnlab.sparsifiers.distill import Teacher
from gnnlab.sparsifiers.ranked import Ranked
from gnnlab.spec import GraphSpec
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase
from gnnlab.weights import copy_of


def teddy_scores(edge_index: Tensor, num_nodes: int) -> Tensor:
    """[E] T_ij = t_i t_j with t_i = (1 / d_i²) Σ_j d_j^{-1/2} over the in-neighbours j of i, d the in-degree.

    In O(E) time and memory. Edges between nodes of low degree, whose neighbours have low degrees too, score high.
    """
    source, target = edge_index
    degree = torch.bincount(target, minlength=num_nodes).double()
    inverse = torch.where(degree > 0, 1 / degree.clamp(min=1), 0.0)
    around = inverse.new_zeros(num_nodes).index_add(0, target, inverse.sqrt()[source])
    node = around * inverse.square()
    return node[source] * node[target]


class Teddy(Ranked):
    """TEDDY (Seo et al. 2024): edges of low degree stay, a teacher's outputs are learnt, weights are projected.

    Phases: "dense" trains the teacher on all edges, "sparse" the student, from the initial weights anew, on the share
    `keep` of them. `distill` (λ) weighs the divergence from the teacher; at 0 there is none, and no dense phase.
    `keep_weights`: the share of the weights that the projection leaves after every step, see `gnnlab.pruning.prunable`
    for which; `also` names more of them.
    """

    needs: ClassVar[tuple[str, ...]] = ("whole_graphs",)

    def __init__(
        self,
        keep: Share,
        spec: GraphSpec,
        distill: NonNegative = 0.1,
        keep_weights: Share = 1.0,
        also: tuple[Also, ...] = (),
    ) -> None:
        super().__init__(keep)
        self.spec, self.distill, self.weights = spec, distill, L0(keep_weights, also)

    def score(self, graphs: Packed) -> Tensor:
        """In float32: scores that are equal but for the order of a sum are equal here."""
        return teddy_scores(graphs.edge_index, graphs.num_nodes).float()

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        if not self.distill:
            return self.sparse(phases, model, splits)
        teacher, start = Teacher(splits["train"], self.spec), copy_of(model)
        aware = {**splits, "train": splits["train"].over(teacher.graphs)}

        def begin(model: nn.Module) -> None:
            teacher.learn(model)
            model.load_state_dict(start)

        def learn(*args: Any) -> Tensor:
            return self.distill * teacher.objective(*args)

        sparse = [
            phase.also(objective=learn, state={"teacher": teacher}) for phase in self.sparse(phases, model, aware)
        ]
        return [
            replace(phase, name=kind if len(phases) == 1 else f"{kind} {phase.name}")
            for kind, made in (("dense", phases), ("sparse", [sparse[0].after(begin), *sparse[1:]]))
            for phase in made
        ]

    def sparse(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        """The student's phases: fewer edges, and weights projected after every step."""
        fewer = super().phases(phases, model, splits)
        return self.weights.phases(fewer, model, splits)

    def report(self, model: nn.Module, splits: Splits, folder: Path) -> dict[str, Any]:
        return super().report(model, splits, folder) | self.weights.report(model, splits, folder)
