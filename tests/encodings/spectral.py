"""Graphs with repeated eigenvalues, and other bases of their eigenspaces, for the tests of spectral encodings."""

import networkx as nx
import torch
from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.encodings import Encoding
from tests.graphs import pack

SYMMETRIC = [
    nx.cycle_graph(6),
    nx.star_graph(5),
    nx.complete_graph(5),
    nx.disjoint_union(nx.cycle_graph(4), nx.path_graph(3)),
    nx.petersen_graph(),
    nx.empty_graph(3),
]


def encoded(encoding: Encoding, *graphs: nx.Graph, dtype: torch.dtype = torch.float64) -> Batch:
    """The graphs with the encoding's attributes."""
    packed = pack(*graphs)
    attributes = {name: value.to(dtype) for name, value in encoding.precompute(packed).items()}
    return packed.with_node(**attributes).batch()


def another_basis(batch: Batch, name: str, seed: int = 0) -> Batch:
    """`batch` with every eigenspace of the vectors `name`_vec turned by a random orthogonal map."""
    generator = torch.Generator().manual_seed(seed)
    vectors, values = batch.node[f"{name}_vec"].clone(), batch.node[f"{name}_val"]
    for first, last in zip(batch.ptr[:-1].tolist(), batch.ptr[1:].tolist(), strict=True):
        rest = list(range(min(last - first, vectors.shape[1])))
        while rest:
            space = [k for k in rest if abs(values[first, k] - values[first, rest[0]]) < 1e-5]
            rest = [k for k in rest if k not in space]
            turn = torch.linalg.qr(torch.randn(len(space), len(space), generator=generator, dtype=torch.float64))[0]
            vectors[first:last, space] = vectors[first:last, space] @ turn.to(vectors.dtype)
    return replaced(batch, **{f"{name}_vec": vectors})


def settled(encoder: nn.Module, batch: Batch) -> nn.Module:
    """The encoder in evaluation mode, its batch norms having seen `batch`, so that its outputs differ."""
    encoder = encoder.to(next(value.dtype for value in batch.node.values())).train()
    with torch.no_grad():
        for _ in range(50):
            encoder(batch)
    return encoder.eval()


def replaced(batch: Batch, **attributes: Tensor) -> Batch:
    """`batch` with other node attributes."""
    other = batch.map(lambda value: value)
    other.node.update(attributes)
    return other


def orthonormal(batch: Batch, name: str) -> Batch:
    """`batch` with the float32 vectors `name`_vec [N, K] of each graph made orthonormal in float64."""
    vectors = batch.node[f"{name}_vec"].double().clone()
    for first, last in zip(batch.ptr[:-1].tolist(), batch.ptr[1:].tolist(), strict=True):
        width = min(last - first, vectors.shape[1])
        q, r = torch.linalg.qr(vectors[first:last, :width])
        vectors[first:last, :width] = q * r.diagonal().sign()
    return replaced(batch, **{f"{name}_vec": vectors})
