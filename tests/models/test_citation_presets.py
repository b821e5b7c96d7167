"""`model=gcn dataset=cora` is the network of Kipf & Welling (2017), and `model=gat dataset=cora` nearly that of
Veličković et al. (2018): the embedding and the head are the maps of the two layers.
"""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from gnnlab import compose
from gnnlab.batch import Batch
from gnnlab.config import build
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec
from gnnlab.testing import random_graph, sample_spec

SPEC = GraphSpec("tiny", "node", "multiclass", 3, "accuracy", Feature.continuous(5))


def composed(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build(compose(f"model={name}", "dataset=cora").model, spec=SPEC, encodings=[]).double()


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    graph = random_graph(9, 20, generator)
    graph.x, graph.edge_attr = torch.randn(9, 5, generator=generator).double(), None
    return Packed.from_graphs([graph]).batch()


def maps(model: nn.Module) -> list[Tensor]:
    """W₀, b₀ of the embedding, W₁, b₁ of the head: all there is beside what attention has."""
    named = {name: value for name, value in model.named_parameters() if "layers" not in name}
    assert len(named) == 4
    return list(named.values())


def with_loops(batch: Batch) -> Tensor:
    """A + I: row i has the neighbours of i."""
    adjacency = torch.eye(batch.num_nodes, dtype=torch.float64)
    adjacency[batch.edge_index[1], batch.edge_index[0]] = 1
    return adjacency


def test_gcn_is_two_propagations_between_two_maps(batch: Batch) -> None:
    model = composed("gcn").eval()
    w0, b0, w1, b1 = maps(model)
    adjacency = with_loops(batch)
    scale = adjacency.sum(1).rsqrt()
    normalised = scale[:, None] * adjacency * scale
    hidden = (normalised @ (batch.x @ w0.T + b0)).relu()
    assert_close(model(batch), normalised @ hidden @ w1.T + b1)


def test_gat_attends_twice_between_two_maps(batch: Batch) -> None:
    model = composed("gat").eval()
    w0, b0, w1, b1 = maps(model)
    x = batch.x @ w0.T + b0
    for layer in model.layers:
        heads = x.unflatten(1, (8, 8))
        source, target = (heads * layer.conv.source).sum(-1), (heads * layer.conv.target).sum(-1)
        scores = torch.nn.functional.leaky_relu(target[:, None] + source[None], 0.2)
        alpha = scores.masked_fill(with_loops(batch)[..., None] == 0, -torch.inf).softmax(1)
        x = torch.nn.functional.elu(torch.einsum("ijh,jhc->ihc", alpha, heads).flatten(1))
    assert_close(model(batch), x @ w1.T + b1)


def test_features_are_dropped_in_training_only(batch: Batch) -> None:
    model = composed("gcn")
    assert not torch.equal(model.train()(batch), model(batch))
    assert torch.equal(model.eval()(batch), model(batch))


def test_input_dropout_of_categorical_features_is_refused() -> None:
    cfg = compose("model=mpnn", "dataset=zinc", "preset=none", "model.input_dropout=0.5")
    with pytest.raises(UsageError, match=r"model\.input_dropout=0\.5"):
        build(cfg.model, spec=sample_spec("graph"), encodings=[])
