"""A training does not depend on the number of threads. MKL's products do, on the processors it is made for."""

import pytest
import torch
from torch import Tensor

from gnnlab import compose
from gnnlab.config import build
from gnnlab.ops import backend
from gnnlab.packed import Packed
from gnnlab.testing import random_graph, sample_spec

pytestmark = pytest.mark.skipif(not backend.load(), reason="the kernels cannot be built here")


def trained(threads: int, *choices: str) -> list[Tensor]:
    """Parameters after three steps on some 800 nodes, enough for every kernel to take several threads."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    cfg = compose("dataset=zinc", "preset=none", "model.hidden_dim=64", "model.num_layers=2", *choices)
    encodings = [build(section) for section in cfg.get("encoding", {}).values()]
    generator = torch.Generator().manual_seed(0)
    graphs = Packed.from_graphs([random_graph(n, 3 * n, generator) for n in range(12, 43)])
    for encoding in encodings:
        graphs = graphs.with_node(**encoding.precompute(graphs))
    model = build(cfg.model, spec=sample_spec("graph"), encodings=encodings).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        model(graphs.batch()).square().mean().backward()
        optimizer.step()
    return [parameter.detach() for parameter in model.parameters()]


@pytest.mark.parametrize(
    "choices",
    [
        ("model=gps", "encoding=[rwse]"),
        ("model=gatedgcn", "encoding=[lappe]"),
        ("model=gine", "encoding=[hkdiag,elstatic]"),
        ("model=graph_transformer", "encoding=[rrwp,degree]"),
    ],
    ids=lambda choices: choices[0].partition("=")[2],
)
def test_one_and_two_threads_train_to_the_same_bits(choices: tuple[str, ...]) -> None:
    before = torch.get_num_threads()
    try:
        one, two = trained(1, *choices), trained(2, *choices)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
