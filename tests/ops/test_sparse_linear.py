"""A linear map by the entries of its input is the one by the whole input."""

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from gnnlab.nn.embedding import NodeEmbedding
from gnnlab.ops import backend
from gnnlab.ops.sparse_linear import FULL, WIDE, reference, sparse, sparse_linear
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec


def words(rows: int, dtype: torch.dtype = torch.float64) -> Tensor:
    x = torch.rand(rows, WIDE, dtype=dtype)
    return x * (torch.rand_like(x) < FULL / 2)


@pytest.mark.parametrize("rows", [0, 1, 50])
@pytest.mark.parametrize("bias", [True, False])
def test_as_by_all_entries(rows: int, bias: bool) -> None:
    x = words(rows)
    weight = torch.randn(7, WIDE, dtype=x.dtype, requires_grad=True)
    b = torch.randn(7, dtype=x.dtype, requires_grad=True) if bias else None
    leaves = [leaf for leaf in (weight, b) if leaf is not None]
    entries = sparse(x)
    assert entries is not None
    ours, theirs = sparse_linear(entries, weight, b), reference(x, weight, b)
    torch.testing.assert_close(ours, theirs)
    given = torch.randn_like(ours)
    torch.testing.assert_close(
        torch.autograd.grad(ours, leaves, given), torch.autograd.grad(theirs, leaves, given), check_stride=False
    )


def test_gradcheck() -> None:
    entries = sparse(words(9))
    assert entries is not None
    weight, bias = torch.randn(3, WIDE, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda *leaves: sparse_linear(entries, *leaves), (weight.requires_grad_(), bias.requires_grad_())
    )


def test_dropout_is_of_entries_and_keeps_the_mean() -> None:
    entries, weight = sparse(torch.eye(WIDE)), torch.eye(WIDE)
    assert entries is not None
    out = sparse_linear(entries, weight, dropout=0.25)
    assert out.unique().tolist() == pytest.approx([0, 4 / 3])
    torch.manual_seed(0)
    mean = torch.stack([sparse_linear(entries, weight, dropout=0.25) for _ in range(400)]).mean(0)
    torch.testing.assert_close(mean.diagonal().mean(), torch.tensor(1.0), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    "x", [torch.ones(5, WIDE), torch.eye(WIDE)[:, : WIDE - 1], None], ids=["full", "narrow", "no x"]
)
def test_nothing_to_gain(x: Tensor | None) -> None:
    assert sparse(x) is None


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_an_embedding_of_words_is_the_reference_s(dropout: float) -> None:
    data = Data(x=words(20, dtype=torch.float32), edge_index=torch.empty(2, 0, dtype=torch.long), y=torch.zeros(1, 1))
    batch = Packed.from_graphs([data]).batch()
    spec = GraphSpec("words", "node", "multiclass", num_targets=2, metric="accuracy", node=Feature.continuous(WIDE))
    embedding: nn.Module = NodeEmbedding(spec, 8, merge="add", dropout=dropout).eval()
    ours = embedding(batch)
    with backend.using("reference"):
        torch.testing.assert_close(ours, embedding(batch))


def test_bfloat16_as_by_all_entries() -> None:
    x, weight, bias = words(30, dtype=torch.float32), torch.randn(7, WIDE, requires_grad=True), torch.randn(7)
    entries = sparse(x)
    assert entries is not None
    given = torch.randn(30, 7).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = sparse_linear(entries, weight, bias), reference(x, weight, bias)
    half = sparse_linear(entries, weight.bfloat16(), bias.bfloat16())
    for out in (ours, half):
        torch.testing.assert_close(out, theirs, rtol=2e-2, atol=2e-2)
        grads = [torch.autograd.grad(of, weight, given, retain_graph=True) for of in (out, theirs)]
        torch.testing.assert_close(*grads, rtol=2e-2, atol=2e-2, check_stride=False)
