"""Laws of every conv, mixer, head, encoding and model there is, found by listing the config groups.

Permutation equivariance, batch independence (sizes 1 to 400, small graphs first and last), graphs
without edges, isolated nodes, single nodes and several components: in every model they can sit in.
"""

from functools import cache, partial

import pytest
import torch

from gnnlab import compose
from gnnlab.config import build, conf_dir
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec
from gnnlab.testing import graphs_of_all_kinds, permuted

GRAPHS = graphs_of_all_kinds()


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def zinc_like(level: str) -> GraphSpec:
    return GraphSpec("zinc", level, "regression", 3, "mae", Feature.categorical(28), Feature.categorical(4))


COMPOSITIONS = sorted(
    {f"model={model}" for model in options("model")}
    | {f"model=gps model/conv={conv} model/mixer=attention" for conv in options("model/conv")}
    | {f"model=gps model/conv=gine model/mixer={mixer}" for mixer in options("model/mixer")}
    | {f"model=mpnn model/conv={conv}" for conv in options("model/conv") if conv != "none"}
    | {f"model={model} model/head={head}" for model in ("gps", "mpnn") for head in options("model/head")}
    | {f"model={model} encoding=[{encoding}]" for model in ("gps", "mpnn") for encoding in options("encoding")}
)


@cache
def composed(composition: str, level: str):
    """The model in float64 and evaluation mode, and a function that packs graphs with its encodings."""
    cfg = compose(*composition.split(), "dataset=zinc", "preset=none", "model.hidden_dim=64", "model.num_layers=2")
    encodings = [build(section) for section in (cfg.get("encoding") or {}).values()]
    torch.manual_seed(0)
    model = build(cfg.model, spec=zinc_like(level), encodings=encodings).double()
    return model, partial(encoded, encodings)


def encoded(encodings, graphs) -> Packed:
    packed = Packed.from_graphs(graphs)
    for encoding in encodings:
        bare = Packed.from_graphs(graphs)
        packed = packed.with_node(**{k: v.double() for k, v in encoding.precompute(bare).items()})
    return packed


@pytest.mark.parametrize("level", ["graph", "node"])
@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_permutation(composition, level):
    model, pack = composed(composition, level)
    data = GRAPHS[3]
    order = torch.randperm(data.num_nodes, generator=torch.Generator().manual_seed(1))
    plain, moved = pack([data]), pack([permuted(data, order)])
    # eigenvectors are defined up to sign and basis: the cached ones travel with the nodes
    moved = moved.with_node(**{name: value[order] for name, value in plain.node.items()})
    with torch.no_grad():
        before, after = model.eval()(plain.batch()), model(moved.batch())
    torch.testing.assert_close(after, before[order] if level == "node" else before, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("level", ["graph", "node"])
@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_batch_independence(composition, level):
    model, pack = composed(composition, level)
    everything = pack(GRAPHS)
    model.eval()
    with torch.no_grad():
        alone = [model(everything.batch(i, i + 1)) for i in range(len(GRAPHS))]
        for order in (torch.arange(len(GRAPHS)), torch.arange(len(GRAPHS)).flip(0)):
            together = model(everything.take(order).batch())
            expected = torch.cat([alone[i] for i in order])
            torch.testing.assert_close(together, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_training_on_odd_graphs_stays_finite(composition):
    model, pack = composed(composition, "graph")
    for graphs in (GRAPHS, GRAPHS[:1], GRAPHS[2:3]):
        model.train().zero_grad()
        out = model(pack(graphs).batch())
        out.sum().backward()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        assert torch.isfinite(out).all()
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_an_empty_graph_changes_nothing_for_the_others():
    model, pack = composed("model=gps", "graph")
    packed = pack(GRAPHS)
    hole = packed.ptr[3:4]
    torn = Packed(
        torch.cat([packed.ptr[:4], hole, packed.ptr[4:]]),
        torch.cat([packed.edge_ptr[:4], packed.edge_ptr[3:4], packed.edge_ptr[4:]]),
        packed.edge_index,
        packed.rowptr,
        packed.colptr,
        packed.transpose,
        packed.node,
        packed.edge,
    )
    with torch.no_grad():
        plain, with_hole = model.eval()(packed.batch()), model(torn.batch())
    kept = [i for i in range(len(with_hole)) if i != 3]
    torch.testing.assert_close(with_hole[kept], plain)
    assert torch.isfinite(with_hole).all()
