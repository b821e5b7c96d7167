"""The laws that every part keeps, as assertions, and small graphs of every kind to try parts on.

For a part of your own, in the repository or outside it:

    encodings = [RWSE()]
    graphs = sample(encodings)
    model = Mine(sample_spec("graph"), encodings)
    assert_permutation_equivariant(model, graphs, node_level=False)
    assert_batch_independent(model, graphs)
    assert_finite_with_gradients(model, graphs)
    assert_padding_changes_nothing(model, graphs)
    assert_encoding_lawful(RWSE())

The first two compute in float64, in evaluation mode; all of them on a copy of the model. The fourth trains in
float64 and asks for a model without dropout.
"""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch_geometric.data import Data

from gnnlab.encodings.base import Encoding
from gnnlab.packed import Packed
from gnnlab.padding import Size, pad
from gnnlab.spec import Feature, GraphSpec, Level


def assert_permutation_equivariant(model: nn.Module, graphs: Packed, node_level: bool = False) -> None:
    """Renumbering the nodes of each graph renumbers the rows of the output; those of graphs and pairs stay the same.

    Where a part of the model says `breaks_ties = True`, it takes nodes by degree, equal ones in the order of their
    numbers: these then keep their order.
    """
    model, graphs = deepcopy(model).double().eval(), _double(graphs)
    moved, order = permuted(graphs, keep_ties=any(getattr(part, "breaks_ties", False) for part in model.modules()))
    with torch.no_grad():
        before, after = model(graphs.batch()), model(moved.batch())
    others = graphs.pair["edge_label_index"].shape[1] if graphs.pair else graphs.num_graphs
    assert len(before) == (graphs.num_nodes if node_level else others), f"{len(before)} rows of output"
    assert_close(after, before[order] if node_level else before, msg=_because("the output depends on node numbers"))


def assert_batch_independent(model: nn.Module, graphs: Packed) -> None:
    """The output for a graph is the same alone, among others, and in another place of the batch."""
    model, graphs = deepcopy(model).double().eval(), _double(graphs)
    backwards = torch.arange(graphs.num_graphs).flip(0)
    with torch.no_grad():
        alone = [model(graphs.batch(i, i + 1)) for i in range(graphs.num_graphs)]
        together, reversed_ = model(graphs.batch()), model(graphs.take(backwards).batch())
    because = _because("the output for a graph depends on the rest of its batch")
    assert_close(together, torch.cat(alone), msg=because)
    assert_close(reversed_, torch.cat(alone[::-1]), msg=because)


def assert_finite_with_gradients(model: nn.Module, graphs: Packed) -> None:
    """In training mode, outputs and gradients are finite: of all graphs together and of each alone."""
    model = deepcopy(model).train()
    for batch in [graphs.batch(), *(graphs.batch(i, i + 1) for i in range(graphs.num_graphs))]:
        model.zero_grad()
        out = model(batch)
        assert out.isfinite().all(), f"an output is not finite, for graphs of {batch.ptr.diff().tolist()} nodes"
        out.sum().backward()
        for name, parameter in model.named_parameters():
            finite = parameter.grad is None or parameter.grad.isfinite().all()
            assert finite, f"the gradient of {name} is not finite, for graphs of {batch.ptr.diff().tolist()} nodes"


def assert_padding_changes_nothing(model: nn.Module, graphs: Packed) -> None:
    """In training mode, outputs, gradients and running statistics are the same beside three dummy graphs."""
    found, batch = [], _double(graphs).batch()
    nodes, edges, graphs_, longest = Size.of(batch)
    for one in (batch, pad(batch, Size(nodes + 11, edges + 29, graphs_ + 3, longest))):
        copy = deepcopy(model).double().train()
        torch.manual_seed(0)
        out = copy(one)
        out = out[: batch.num_graphs if len(out) == one.num_graphs else batch.num_nodes]
        (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(0), dtype=out.dtype)).sum().backward()
        gradients = {name: parameter.grad for name, parameter in copy.named_parameters()}
        found.append({"the output": out.detach(), **dict(copy.named_buffers()), **gradients})
    plain, padded = found
    for name, value in plain.items():
        because = _because(f"{name} depends on padding")
        assert_close(padded[name], value, rtol=1e-10, atol=1e-10, equal_nan=False, msg=because)


def assert_encoding_lawful(encoding: Encoding) -> None:
    """Both halves are what `attach` and every model rely on.

    The offline half writes a finite float32 row for each node, which depends on the node's graph alone and
    moves with the node; where `ambiguous_basis`, its absolute value does, in graphs whose eigenvalues all
    differ. Its parameters are JSON. The learnt half keeps the laws of a model.
    """
    json.dumps(encoding.cache_key())
    everything = sample([encoding])
    _assert_offline_half_lawful(encoding, Packed.from_graphs(graphs_of_simple_spectrum()))
    if not encoding.ambiguous_basis:
        _assert_offline_half_lawful(encoding, everything)
    for name, value in encoding.precompute(_bare(everything)).items():
        assert value.dtype == torch.float32, f"{name} is {value.dtype}, must be torch.float32"
        assert len(value) == everything.num_nodes, f"{name} has {len(value)} rows for {everything.num_nodes} nodes"
        assert value.isfinite().all(), f"{name} is not finite"
    encoder = encoding.encoder(encoding.dim or 8)
    assert encoder(everything.batch()).shape == (everything.num_nodes, encoding.dim or 8)
    assert_permutation_equivariant(encoder, small(everything), node_level=True)
    assert_batch_independent(encoder, everything)
    assert_finite_with_gradients(encoder, small(everything))


def _assert_offline_half_lawful(encoding: Encoding, graphs: Packed) -> None:
    graphs = _bare(graphs)
    moved, order = permuted(graphs)
    together, renumbered = encoding.precompute(graphs), encoding.precompute(moved)
    alone = [encoding.precompute(graphs.take(torch.tensor([i]))) for i in range(graphs.num_graphs)]
    for name, value in together.items():

        def same(found: Tensor, expected: Tensor, reason: str, name: str = name) -> None:
            if encoding.ambiguous_basis:
                found, expected = found.abs(), expected.abs()
            assert_close(found, expected, rtol=1e-5, atol=1e-5, msg=_because(f"{name} depends on {reason}"))

        same(torch.cat([one[name] for one in alone]), value, "the other graphs of the split")
        same(renumbered[name], value[order], "node numbers")


def _because(reason: str):
    return lambda difference: f"{reason}: {difference}"


def _bare(graphs: Packed) -> Packed:
    return replace(graphs, node={}, edge={}, graph={}, pair={})


def _double(graphs: Packed) -> Packed:
    def double(attributes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.double() if value.is_floating_point() else value for name, value in attributes.items()}

    return replace(graphs, node=double(graphs.node), edge=double(graphs.edge), graph=double(graphs.graph))


def sample(encodings: Sequence[Encoding] = (), level: Level = "graph") -> Packed:
    """`graphs_of_all_kinds`, packed, with the node attributes of `encodings`; at edge level with labelled pairs."""
    graphs = Packed.from_graphs(graphs_of_all_kinds())
    if level == "edge":
        graphs = with_random_pairs(graphs)
    for encoding in encodings:
        graphs = graphs.with_node(**encoding.precompute(_bare(graphs)))
    return graphs


def with_random_pairs(graphs: Packed) -> Packed:
    """The same graphs with a few labelled pairs of nodes in each but the second; a node may be its own partner."""
    random, sizes = torch.Generator().manual_seed(0), graphs.ptr.diff()
    counts = (sizes + 3) * (torch.arange(graphs.num_graphs) != 1)
    share = torch.rand(2, int(counts.sum()), generator=random, dtype=torch.float64)
    pairs = (share * sizes.repeat_interleave(counts)).long()
    return graphs.with_pairs(counts, pairs, torch.randn(len(pairs[0]), 3, generator=random))


def sample_for(model: nn.Module, encodings: Sequence[Encoding] = (), level: Level = "graph") -> Packed:
    """`sample`, without the graph of 400 nodes for a model with a row for each pair (`rows_are_pairs = True`)."""
    graphs = sample(encodings, level)
    return small(graphs) if getattr(model, "rows_are_pairs", False) else graphs


def small(graphs: Packed) -> Packed:
    """Those with fewer than 400 nodes: for a law that takes long and says nothing of size."""
    return graphs.take((graphs.ptr.diff() < 400).nonzero()[:, 0])


def sample_spec(level: Level) -> GraphSpec:
    """The specification of `sample(…, level)` to build a model with; three targets."""
    return GraphSpec("sample", level, "regression", 3, "mae", Feature.categorical(28), Feature.categorical(4))


def permuted(graphs: Packed, seed: int = 0, keep_ties: bool = False) -> tuple[Packed, Tensor]:
    """The same graphs with renumbered nodes, and the order [N]: row i of the result is row order[i] of `graphs`.

    With `keep_ties`, nodes of a graph with the same in-degree keep their order.
    """
    batch, random = graphs.batch(), torch.Generator().manual_seed(seed)
    key = batch.batch + torch.rand(graphs.num_nodes, generator=random, dtype=torch.float64)
    if keep_ties:
        tied = batch.batch * (graphs.num_edges + 1) + graphs.rowptr.diff()
        key[tied.argsort(stable=True)] = key[(tied + key.frac()).argsort()]
    order = key.argsort()
    first = graphs.ptr[batch.batch[graphs.edge_index[0]]]
    moved = Packed.from_tensors(
        graphs.ptr.diff(),
        graphs.edge_ptr.diff(),
        order.argsort()[graphs.edge_index] - first,
        {name: value[order] for name, value in graphs.node.items()},
        graphs.edge,
        graphs.graph,
    )
    if graphs.pair:
        counts = graphs.pair["ptr"].diff()
        first = graphs.ptr[:-1].repeat_interleave(counts)
        moved = moved.with_pairs(
            counts, order.argsort()[graphs.pair["edge_label_index"] + first] - first, graphs.pair["edge_label"]
        )
    return moved, order


def random_graph(
    num_nodes: int, num_edges: int, generator: torch.Generator, isolated: int = 0, components: int = 1
) -> Data:
    """An undirected simple graph of at most `num_edges` edges, with ZINC's kinds of features.

    The last `isolated` nodes have no edges; nodes i and j lie in the same component only if i ≡ j modulo
    `components`.
    """
    pairs = torch.randint(max(num_nodes - isolated, 1), (2, num_edges), generator=generator)
    pairs = pairs[:, (pairs[0] < pairs[1]) & ((pairs[0] - pairs[1]) % components == 0)].unique(dim=1)
    bond = torch.randint(4, (pairs.shape[1], 1), generator=generator)
    return Data(
        x=torch.randint(28, (num_nodes, 1), generator=generator),
        edge_index=torch.cat([pairs, pairs.flip(0)], dim=1),
        edge_attr=torch.cat([bond, bond]),
        y=torch.randn(1, 1, generator=generator),
        num_nodes=num_nodes,
    )


def graphs_of_all_kinds() -> list[Data]:
    """One node, two nodes, edgeless, 37 nodes, 400 nodes, an isolated node, and two components."""
    generator = torch.Generator().manual_seed(0)
    sizes = [(1, 0), (2, 4), (5, 0), (37, 100), (400, 900)]
    return [
        *(random_graph(nodes, edges, generator) for nodes, edges in sizes),
        random_graph(8, 15, generator, isolated=1),
        random_graph(15, 40, generator, components=2),
    ]


def graphs_of_simple_spectrum() -> list[Data]:
    """Connected graphs of 20 and 30 nodes whose Laplacians, with any scaling, have no repeated eigenvalue."""
    generator = torch.Generator().manual_seed(0)
    return [random_graph(nodes, 6 * nodes, generator) for nodes in (20, 30, 20, 30)]
