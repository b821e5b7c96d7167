"""A linear map of rows that are mostly zeros, such as the words of a document: X Wᵀ + b by the entries of X alone.

Cora's features are 1.3 % full, CiteSeer's 0.9 %: the embedding of such rows is most of a full-batch epoch, and next
to nothing this way. Shapes: X [N, F], weight [out, F], bias [out].
"""

import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from gnnlab.ops.dropout import dropout as thin
from gnnlab.ragged import pointers

FULL, WIDE = 0.1, 64
"""A matrix fuller or narrower is multiplied as it is."""


class Sparse(NamedTuple):
    """X by rows (CSR): entries `rowptr[i]:rowptr[i+1]` of `column` and `value` are row i; and its transpose, entry k of
    which is entry `order[k]` of X."""

    rowptr: Tensor
    column: Tensor
    value: Tensor
    colptr: Tensor
    row: Tensor
    order: Tensor


def sparse(x: Tensor | None) -> Sparse | None:
    """The entries of x [N, F], or None where there is nothing to gain: x is full, narrow, or not on a CPU."""
    if x is None or x.device.type != "cpu" or not x.is_floating_point() or x.requires_grad or x.shape[1] < WIDE:
        return None
    if int(x.count_nonzero()) > FULL * x.numel():
        return None
    row, column = x.nonzero(as_tuple=True)
    order = column.argsort(stable=True)
    rowptr, colptr = (pointers(at.bincount(minlength=n)) for at, n in zip((row, column), x.shape, strict=True))
    return Sparse(rowptr, column, x[row, column], colptr, row[order], order)


def sparse_linear(x: Sparse, weight: Tensor, bias: Tensor | None = None, dropout: float = 0.0) -> Tensor:
    """[N, out]: dropout(X) Wᵀ + b."""
    out = _Product.apply(x._replace(value=thin(x.value, dropout)), weight)
    out = out if bias is None else out + bias
    return out.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else out


def reference(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The same of all entries, without dropout."""
    return functional.linear(x, weight, bias)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Sparse, weight: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.x = x
        return _product(x.rowptr, x.column, x.value, weight.t())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x = ctx.x
        return None, _product(x.colptr, x.row, x.value[x.order], grad).t()


def _product(pointers: Tensor, index: Tensor, value: Tensor, dense: Tensor) -> Tensor:
    """The matrix of these entries times `dense`, computed in float32 at least: torch has none in bfloat16."""
    exact = torch.promote_types(dense.dtype, torch.float32)
    size = len(pointers) - 1, len(dense)
    with warnings.catch_warnings(), torch.autocast("cpu", enabled=False):
        warnings.filterwarnings("ignore", message="Sparse (CSR tensor support|invariant checks)")
        matrix = torch.sparse_csr_tensor(pointers, index, value.to(exact), size, check_invariants=False)
        return (matrix @ dense.to(exact)).to(dense.dtype)
