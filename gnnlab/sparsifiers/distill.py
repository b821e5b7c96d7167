"""Distillation: a model learns from what another one says of every graph, node or pair, beside the labels.

Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, at temperature 1.
"""

from dataclasses import replace
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, logsigmoid

from gnnlab.batch import Batch
from gnnlab.ragged import ranges
from gnnlab.spec import GraphSpec, Target
from gnnlab.trainer.protocols import SplitLoader


def divergence(target: Target, teacher: Tensor, student: Tensor) -> Tensor:
    """KL(teacher ‖ student) […] of what outputs […, T] mean: T classes, T labels, or T normals of variance 1."""
    if target == "regression":
        return (teacher - student).square().sum(-1) / 2
    if target in ("multiclass", "sequence"):
        said, saying = log_softmax(teacher, -1), log_softmax(student, -1)
        return (said.exp() * (said - saying)).sum(-1)
    yes = teacher.sigmoid() * (logsigmoid(teacher) - logsigmoid(student))
    return (yes + (-teacher).sigmoid() * (logsigmoid(-teacher) - logsigmoid(-student))).sum(-1)


class Teacher:
    """A trained model's outputs for all graphs, nodes or pairs of a split, labelled or not: `logits` [n, T].

    Graphs carry their `number` in the split, by which a batch finds its rows. The logits are part of a phase's state: a
    resumed run has them without the model they came from.
    """

    def __init__(self, loader: SplitLoader, spec: GraphSpec) -> None:
        graphs = loader.packed
        numbers = torch.arange(graphs.num_graphs)
        self.graphs = replace(graphs, graph={**graphs.graph, "number": numbers})
        self.target: Target = spec.target
        self.places = (spec.length, -1)
        self.share = ceil(graphs.num_graphs / max(1, loader.num_batches()))
        pairs = graphs.pair["ptr"] if graphs.pair else graphs.edge_ptr
        self.ptr = {"graph": torch.arange(graphs.num_graphs + 1), "node": graphs.ptr, "edge": pairs}[spec.level]
        self.logits = torch.zeros(int(self.ptr[-1]), spec.out_dim)

    @torch.no_grad()
    def learn(self, model: nn.Module) -> None:
        """Take what `model` says, in evaluation, with all edges there."""
        model.eval()
        device = next(model.parameters()).device
        for first in range(0, self.graphs.num_graphs, self.share):
            last = min(first + self.share, self.graphs.num_graphs)
            said = model(self.graphs.batch(first, last).to(device))
            self.logits[int(self.ptr[first]) : int(self.ptr[last])] = said.float().cpu()

    def said(self, batch: Batch) -> Tensor:
        """What was said of the rows of a batch that are no padding."""
        number = batch.graph["number"].cpu()
        if batch.real.num_graphs is not None:
            number = number[: int(batch.real.num_graphs)]
        rows, _ = ranges(self.ptr[number], self.ptr[number + 1] - self.ptr[number])
        return self.logits[rows]

    def objective(self, model: nn.Module, out: Tensor, batch: Batch) -> Tensor:
        """The mean divergence of a batch's outputs from the teacher's."""
        said = self.said(batch).to(out.device)
        saying = out[: len(said)].float()
        return divergence(self.target, said.unflatten(-1, self.places), saying.unflatten(-1, self.places)).mean()

    def state_dict(self) -> dict[str, Tensor]:
        return {"logits": self.logits}

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        self.logits.copy_(state_dict["logits"])
