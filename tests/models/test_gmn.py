"""GMN: its walks and subgraphs, what is random when, and GPS without tokens."""

from functools import partial
from itertools import pairwise

import pytest
import torch

from gnnlab.models.gmn import GMN, alike
from gnnlab.models.gps import GPS
from gnnlab.nn.conv.gatedgcn import GatedGCN
from gnnlab.nn.conv.gine import GINE
from gnnlab.nn.head import Pyramid
from gnnlab.nn.mixer.mamba import Mamba
from gnnlab.nn.walks import induced, walk
from gnnlab.packed import Packed
from gnnlab.testing import graphs_of_all_kinds, sample, sample_spec

SMALL = [graph for graph in graphs_of_all_kinds() if graph.num_nodes != 400]
SEED = torch.tensor([3])


def make(**settings: int) -> GMN:
    torch.manual_seed(0)
    return GMN(sample_spec("graph"), [], GatedGCN, Mamba, Pyramid, 16, 2, **settings)


def test_without_tokens_it_is_gps_with_scans() -> None:
    gps = GPS(sample_spec("graph"), [], GatedGCN, Mamba, Pyramid, 16, 2).eval()
    gmn, batch = make(reach=0).eval(), sample().batch()
    gmn.load_state_dict(gps.state_dict())
    assert torch.equal(gmn(batch), gps(batch))


def test_walks_follow_edges_and_stay_where_there_are_none() -> None:
    batch = Packed.from_graphs(SMALL).batch()
    paths = walk(batch, 5, 4, SEED)
    assert paths.shape == (batch.num_nodes, 5, 5)
    assert torch.equal(paths[:, :, 0], torch.arange(batch.num_nodes)[:, None].expand(-1, 5))
    edges = {(int(a), int(b)) for a, b in batch.edge_index.T}
    lonely = {int(node) for node in (batch.colptr.diff() == 0).nonzero()}
    assert lonely
    for path in paths.flatten(0, 1).tolist():
        for a, b in pairwise(path):
            assert (a, b) in edges or (a == b and a in lonely)


def test_every_edge_is_as_likely() -> None:
    batch = Packed.from_graphs(SMALL).batch()
    steps = walk(batch, 4000, 1, SEED)[..., 1]
    for node in range(batch.num_nodes):
        out = batch.edge_index[1][batch.edge_index[0] == node]
        for neighbour in out:
            assert abs(float((steps[node] == neighbour).double().mean()) - 1 / len(out)) < 0.04


def test_a_walk_does_not_depend_on_other_graphs() -> None:
    one, two = Packed.from_graphs(SMALL[-1:]).batch(), Packed.from_graphs(SMALL).batch()
    first = two.num_nodes - one.num_nodes
    assert torch.equal(walk(one, 3, 4, SEED), walk(two, 3, 4, SEED)[first:] - first)


def test_induced_subgraphs_have_the_edges_between_their_nodes() -> None:
    batch = Packed.from_graphs(SMALL).batch()
    sets = walk(batch, 2, 3, SEED)
    rows, node, edge = induced(batch, sets)
    edges = [(int(a), int(b)) for a, b in batch.edge_index.T]
    for token, members in enumerate(sets.flatten(0, 1).tolist()):
        own = slice(int(rows.ptr[token]), int(rows.ptr[token + 1]))
        assert node[own].tolist() == sorted(set(members))
        inside = (rows.edge_index[1] >= own.start) & (rows.edge_index[1] < own.stop)
        expected = sorted(i for i, (a, b) in enumerate(edges) if a in members and b in members)
        assert sorted(edge[inside].tolist()) == expected
    assert torch.equal(node[rows.edge_index], batch.edge_index[:, edge])
    assert torch.equal(rows.edge_index[1][rows.transpose], rows.out_target)
    target = torch.repeat_interleave(torch.arange(len(node)), rows.rowptr.diff())
    assert torch.equal(target, rows.edge_index[1])
    assert torch.equal(rows.edge_index[0][rows.transpose].bincount(minlength=len(node)), rows.colptr.diff())


def test_evaluation_takes_the_walks_of_its_seed_and_training_new_ones() -> None:
    batch, model = sample().batch(), make().double()
    visited = model.nodes.visited
    assert visited(batch).shape == (batch.num_nodes, 8, 12)
    assert not torch.equal(visited(batch), visited(batch))
    model.eval()
    assert torch.equal(visited(batch), visited(batch))
    assert not torch.equal(visited(batch), make(walk_seed=1).eval().nodes.visited(batch))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_backwards_the_last_row_of_a_sequence_sees_itself_alone(dtype: torch.dtype, tolerance: float) -> None:
    """So scanning it as a sequence of its own gives what both scans of all rows give, gradients included."""
    batch, read = sample().batch(), make().to(dtype).eval().nodes

    def both_ways() -> torch.Tensor:
        x = read.nodes(batch)
        rows = read.norm(torch.cat([read.encode(x, batch), x.unsqueeze(1)], 1))
        return (
            x + read.scan.scan(rows.flatten(0, 1), alike(*rows.shape[:2], x.device))[rows.shape[1] - 1 :: rows.shape[1]]
        )

    weights = torch.randn(batch.num_nodes, 16, dtype=dtype, generator=torch.Generator().manual_seed(0))
    results = []
    for x in (read(batch), both_ways()):
        read.zero_grad()
        (x * weights).mean().backward()
        results.append([x, *(parameter.grad for parameter in read.parameters())])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("conv", [GINE, GatedGCN])
def test_a_node_alone_has_tokens_of_itself(conv: type) -> None:
    torch.manual_seed(0)
    model = GMN(sample_spec("node"), [], conv, partial(Mamba, bidirectional=False), Pyramid, 16, 1).eval()
    batch = Packed.from_graphs(graphs_of_all_kinds()[:1]).batch()
    x = model.nodes.nodes(batch)
    alone = model.nodes.conv(x, x[:0], batch)[0]
    torch.testing.assert_close(model.nodes.encode(x, batch), alone[:, None].expand(-1, 8, -1))
