"""Graph Laplacians and their smallest eigenpairs.

With S = 1 (`none`) or D^-½ (`sym`, `rw`):

    S (D − A) S v = λ v,  and u = S v for `rw`, an eigenvector of D⁻¹ (D − A).

Directions do not count: A is max(A, Aᵀ), as in GraphGPS, so that directed graphs (superpixels, say) have a spectrum as
well. Nor do self-loops; parallel edges add up. S is 1 at an isolated node, so 0 is an eigenvalue once for each
connected component. Computed in float64. The sign of a vector makes its entry of largest magnitude positive (the
first among ties); the basis of a repeated eigenvalue is arbitrary. This is the reference of `gnnlab.ops.eigenpairs`,
and serves where that does not.
"""

from typing import Literal

import numpy as np
import torch
from scipy.linalg import eigh
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from torch import Tensor
from torch.nn.functional import normalize, pad

from gnnlab.encodings.dense import without_directions

Laplacian = Literal["none", "sym", "rw"]
WORTH_CHOOSING = 48
"""From this number of nodes on, a few eigenpairs are computed faster than all."""


def dense_eigenpairs(adjacency: Tensor, laplacian: Laplacian, width: int) -> Tensor:
    """Adjacencies [g, n, n] to [g, n, width + 1]: vectors, and in row i of the last column the i-th value."""
    adjacency = without_directions(adjacency.double())
    adjacency.diagonal(dim1=-2, dim2=-1).zero_()
    degree = adjacency.sum(-1)
    scale = _scale(degree, laplacian)
    matrix = scale[..., None] * (torch.diag_embed(degree) - adjacency) * scale[..., None, :]
    few = matrix.shape[-1] >= WORTH_CHOOSING and 4 * width <= matrix.shape[-1]
    values, vectors = _smallest(matrix, width) if few else torch.linalg.eigh(matrix)
    return _columns(values, vectors, scale, laplacian, width)


def _smallest(matrix: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The first `count` eigenpairs of each matrix [g, n, n]: faster than all of them where they are few."""
    found = [eigh(one, subset_by_index=[0, count - 1], driver="evr", check_finite=False) for one in matrix.numpy()]
    values, vectors = zip(*found, strict=True)
    return torch.from_numpy(np.stack(values)), torch.from_numpy(np.stack(vectors))


def sparse_eigenpairs(adjacency: csr_array, laplacian: Laplacian, width: int) -> Tensor:
    """The same of one adjacency [n, n], whose connected components are taken one by one.

    A repeated eigenvalue may escape Lanczos, and 0 repeats with the components.
    """
    label = connected_components(adjacency, directed=False)[1]
    parts = np.split(label.argsort(kind="stable"), np.bincount(label).cumsum()[:-1])
    found = [_of_component(adjacency[nodes][:, nodes], laplacian, min(width, len(nodes))) for nodes in parts]
    values = torch.cat([columns[: columns.shape[1] - 1, -1] for columns in found])
    order = values.argsort(stable=True)
    rank = order.argsort().split([columns.shape[1] - 1 for columns in found])
    out = torch.zeros(len(label), width + 1, dtype=torch.float64)
    for nodes, columns, places in zip(parts, found, rank, strict=True):
        kept = places < width
        out[torch.from_numpy(nodes)[:, None], places[kept]] = columns[:, :-1][:, kept]
    out[: min(width, len(values)), -1] = values[order[:width]]
    return out


def _of_component(adjacency: csr_array, laplacian: Laplacian, width: int) -> Tensor:
    """Shift-invert Lanczos about a point just below the spectrum, from a fixed vector; dense for all of it."""
    others = csr_array(adjacency - diags_array(adjacency.diagonal()), dtype=np.float64)
    others = others.maximum(others.T)
    degree = torch.from_numpy(others.sum(1))
    if width >= len(degree):
        return dense_eigenpairs(torch.from_numpy(others.toarray()), laplacian, width)
    scale = _scale(degree, laplacian)
    s = diags_array(scale.numpy())
    matrix = (s @ (diags_array(degree.numpy()) - others) @ s).tocsc()
    start = np.random.default_rng(0).standard_normal(len(degree))
    values, vectors = eigsh(matrix, width, sigma=-0.01, v0=start)
    order = values.argsort()
    return _columns(torch.from_numpy(values[order]), torch.from_numpy(vectors[:, order]), scale, laplacian, width)


def _scale(degree: Tensor, laplacian: Laplacian) -> Tensor:
    return torch.ones_like(degree) if laplacian == "none" else degree.clamp(min=1).rsqrt()


def _columns(values: Tensor, vectors: Tensor, scale: Tensor, laplacian: Laplacian, width: int) -> Tensor:
    count, n = min(width, values.shape[-1]), vectors.shape[-2]
    values, vectors = values[..., :count].clamp(min=0), vectors[..., :count]
    if laplacian == "rw":
        vectors = normalize(vectors * scale[..., None], dim=-2)
    values = pad(values, (0, n - count))[..., None]
    return torch.cat([pad(_fix_signs(vectors), (0, width - count)), values], -1)


def _fix_signs(vectors: Tensor) -> Tensor:
    size = vectors.abs()
    largest = (size > (1 - 1e-6) * size.amax(-2, keepdim=True)).int().argmax(-2, keepdim=True)
    return vectors * vectors.gather(-2, largest).sign()
