"""The assertions of gnnlab.testing find what they are there to find."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.encodings.rwse import RWSE
from gnnlab.packed import Packed
from gnnlab.testing import (
    assert_batch_independent,
    assert_encoding_lawful,
    assert_finite_with_gradients,
    assert_permutation_equivariant,
    graphs_of_simple_spectrum,
    permuted,
    sample,
)

GRAPHS = sample([RWSE(4)])


class Toy(nn.Module):
    """Node outputs from in-degrees, plus a mistake."""

    def __init__(self, mistake: str = "none") -> None:
        super().__init__()
        self.linear, self.mistake = nn.Linear(1, 2), mistake

    def forward(self, batch: Batch) -> Tensor:
        degree = batch.rowptr.diff()[:, None].to(self.linear.weight.dtype)
        match self.mistake:
            case "order":
                degree = degree + torch.arange(len(degree))[:, None]
            case "batch":
                degree = degree - degree.mean()
            case "gradient":
                return (self.linear(degree) * 0).sqrt()
        return self.linear(degree)


@dataclass(frozen=True)
class Offline(RWSE):
    """RWSE plus a mistake."""

    mistake: str = "none"

    def precompute(self, graphs: Packed) -> dict[str, Tensor]:
        value = super().precompute(graphs)["rwse"]
        number = torch.arange(len(value)) - graphs.ptr[:-1].repeat_interleave(graphs.ptr.diff())
        match self.mistake:
            case "order":
                value = value + number[:, None]
            case "split":
                value = value + graphs.num_graphs
            case "dtype":
                value = value.double()
        return {"rwse": value}


class Ambiguous(Offline):
    ambiguous_basis: ClassVar[bool] = True


def test_a_good_model_passes() -> None:
    assert_permutation_equivariant(Toy(), GRAPHS, node_level=True)
    assert_batch_independent(Toy(), GRAPHS)
    assert_finite_with_gradients(Toy(), GRAPHS)


def test_bad_models_are_told_why() -> None:
    with pytest.raises(AssertionError, match="depends on node numbers"):
        assert_permutation_equivariant(Toy("order"), GRAPHS, node_level=True)
    with pytest.raises(AssertionError, match="rows of output"):
        assert_permutation_equivariant(Toy(), GRAPHS, node_level=False)
    with pytest.raises(AssertionError, match="depends on the rest of its batch"):
        assert_batch_independent(Toy("batch"), GRAPHS)
    with pytest.raises(AssertionError, match=r"gradient of linear\.weight is not finite"):
        assert_finite_with_gradients(Toy("gradient"), GRAPHS)


@pytest.mark.parametrize("kind", [Offline, Ambiguous])
def test_bad_encodings_are_told_why(kind: type[Offline]) -> None:
    assert_encoding_lawful(kind())
    for mistake, reason in (("order", "node numbers"), ("split", "the other graphs"), ("dtype", "torch.float64")):
        with pytest.raises(AssertionError, match=f"rwse .*{reason}"):
            assert_encoding_lawful(kind(mistake=mistake))


def test_permuting_moves_everything_along() -> None:
    moved, order = permuted(GRAPHS)
    assert torch.equal(moved.ptr, GRAPHS.ptr)
    assert not torch.equal(order, torch.arange(GRAPHS.num_nodes))
    assert torch.equal(moved.node["x"], GRAPHS.node["x"][order])
    before, after = (graphs.edge_index for graphs in (GRAPHS, moved))
    number = torch.cat([order[after], moved.edge["edge_attr"].T]).T
    expected = torch.cat([before, GRAPHS.edge["edge_attr"].T]).T
    assert sorted(number.tolist()) == sorted(expected.tolist())


def test_eigenvalues_differ_where_they_are_said_to() -> None:
    for data in graphs_of_simple_spectrum():
        graph = Packed.from_graphs([data])
        adjacency = torch.zeros(graph.num_nodes, graph.num_nodes, dtype=torch.float64)
        adjacency[graph.edge_index[0], graph.edge_index[1]] = 1
        degree = adjacency.sum(1)
        laplacian = degree.diag() - adjacency
        for matrix in (laplacian, laplacian / degree.outer(degree).sqrt()):
            assert torch.linalg.eigvalsh(matrix).diff().min() > 1e-3
