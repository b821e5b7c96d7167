"""PEG: Wang et al., "Equivariant and Stable Positional Encoding for More Powerful Graph Neural Networks", ICLR 2022.

Of the positions p_i, the first K eigenvectors of the Laplacian at node i, only the distances along edges are used:
they stay as they are when p is turned, mirrored or given in another basis of an eigenspace, and vary little with the
graph. The paper scales messages by them; here the nodes get them, Σ_j MLP(‖p_i − p_j‖²), so that the encoding goes with
every model. Where K would cut an eigenspace, a graph keeps the vectors below it. Node attribute `peg_vec` [N, K];
columns that a graph lacks hold zeros.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from gnnlab.batch import Batch
from gnnlab.bounds import Count
from gnnlab.encodings.laplacian import Laplacian
from gnnlab.encodings.spectrum import Spectral, Spectrum
from gnnlab.ops import aggregate
from gnnlab.ops.linear import Linear
from gnnlab.packed import Packed


@dataclass(frozen=True)
class PEG(Spectral):
    """PEG (Wang et al., ICLR 2022): distances between `k` eigenvectors along edges → MLP → sum, of width `dim`."""

    ambiguous_basis: ClassVar[bool] = True
    orthonormal: ClassVar[bool] = True

    k: Count = 8
    dim: Count | None = None
    laplacian: Laplacian = "none"

    @property
    def pairs(self) -> int:
        return self.k + 1

    def from_spectrum(self, graphs: Packed, spectrum: Spectrum) -> dict[str, Tensor]:
        return {"peg_vec": spectrum.first_whole(self.k, graphs)[0]}

    def encoder(self, dim: int) -> nn.Module:
        return PEGEncoder(dim)


def squared_distances(batch: Batch) -> Tensor:
    """‖p_i − p_j‖² for each edge, [E, 1]."""
    source, target = batch.edge_index
    positions = batch.node["peg_vec"]
    return (positions[source] - positions[target]).square().sum(1, keepdim=True)


class PEGEncoder(nn.Module):
    """Batch with `peg_vec` [N, K] → [N, dim]: MLP 1 → dim → dim of squared distances, summed over in-edges."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(Linear(1, dim), nn.ReLU(), Linear(dim, dim))

    def forward(self, batch: Batch) -> Tensor:
        return aggregate(self.mlp(squared_distances(batch)), batch)
