"""Softmax attention over the nodes of each graph: Vaswani et al., "Attention is all you need", NeurIPS 2017.

Shapes: qkv [N, 3·H·C] are the queries, keys and values of H heads of width C, side by side as one linear layer gives
them: a column is (query | key | value, head, channel). A bias on the scores (Graphormer: Ying et al., NeurIPS 2021) is
[P, H] for the P = Σ_g n_g² pairs of nodes of the same graph: graph after graph, query after query, key after key;
`pair_ptr` says where each graph begins.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gnnlab.batch import Batch
from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel
from gnnlab.ops.random import fresh_seed, keep_groups, scale

QUERIES, KEYS = 32, 4
"""A group of 128 dropout decisions is for a tile of `QUERIES` queries and `KEYS` keys."""


def attention(qkv: Tensor, batch: Batch, num_heads: int, dropout: float = 0.0, bias: Tensor | None = None) -> Tensor:
    """For each head Σ_j drop(softmax_j(q_i·k_j / √C + b_ij)) v_j over the nodes j of the graph of i: [N, H·C].

    In the precision of `qkv`, whatever that of the bias. A bias of -inf hides a key; 0 where all keys are hidden.
    """
    seed = fresh_seed(qkv.device) if dropout else None
    bias = None if bias is None else bias.to(qkv.dtype)
    if not fused(qkv, "attention"):
        return reference(qkv, batch, num_heads, dropout, bias, seed)
    pairs = None if bias is None else pair_ptr(batch)
    return _attention(qkv, bias, batch.ptr, pairs, seed, num_heads, dropout)[0]


def pair_ptr(batch: Batch) -> Tensor:
    """[G+1] int64: the pairs of graph g are `pair_ptr[g]:pair_ptr[g+1]`."""
    return functional.pad(batch.ptr.diff().long().square().cumsum(0), (1, 0))


def reference(
    qkv: Tensor, batch: Batch, num_heads: int, dropout: float, bias: Tensor | None, seed: Tensor | None
) -> Tensor:
    """The same in plain torch, on graphs padded to the size L of the largest. `seed` None: no dropout."""
    graphs, longest, dim = batch.num_graphs, batch.max_nodes, qkv.shape[1] // 3
    graph, first, counts = batch.batch.long(), batch.ptr[:-1].long(), batch.ptr.diff().unsqueeze(-1)
    slot = torch.arange(longest, device=qkv.device)
    padded_row = torch.arange(batch.num_nodes, device=qkv.device) - first[graph] + graph * longest
    padded = qkv.new_zeros(graphs * longest, 3 * dim).index_copy(0, padded_row, qkv)
    padded = padded.view(graphs, longest, 3, num_heads, dim // num_heads)
    query, key, value = padded.permute(2, 0, 3, 1, 4).unbind(0)  # [G, H, L, C] each
    # One key is allowed for a graph without nodes, lest the softmax is NaN.
    allowed = (slot < counts.clamp(min=1))[:, None, None, :]
    added = None
    if bias is not None:
        filled = slot < counts
        pairs = (filled.unsqueeze(2) & filled.unsqueeze(1)).unsqueeze(-1)
        added = bias.new_zeros(graphs, longest, longest, num_heads).masked_scatter(pairs, bias)
        added = added.permute(0, 3, 1, 2).masked_fill(~allowed, -math.inf)
    if seed is None:
        mask = allowed if added is None else added
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    else:
        scores = query @ key.transpose(-1, -2) / math.sqrt(dim // num_heads)
        scores = scores.masked_fill(~allowed, -math.inf) if added is None else scores + added
        kept = _kept(seed, first, num_heads, longest, dropout)
        blind = (scores == -math.inf).all(-1, keepdim=True)  # sees no key: weights of 0, not NaN
        weights = scores.masked_fill(blind, 0).softmax(-1).masked_fill(blind, 0)
        mixed = (weights * kept * scale(dropout)) @ value
    return mixed.transpose(1, 2).reshape(graphs * longest, dim).index_select(0, padded_row)


def _kept(seed: Tensor, first: Tensor, num_heads: int, longest: int, p: float) -> Tensor:
    """Whether dropout keeps a weight: [G, H, L, L] bool, `first` [G] being the first node of each graph.

    In a graph, queries from 32 t on and keys from 4 s on share a group, number ((first + 32 t) H + head) 2²⁴ + s.
    """
    device = first.device
    head = torch.arange(num_heads, device=device).unsqueeze(-1)
    query = first.unsqueeze(-1) + torch.arange(0, longest, QUERIES, device=device)  # [G, T]
    s = torch.arange((longest + KEYS - 1) // KEYS, device=device)  # [S]
    group = (query.unsqueeze(1) * num_heads + head).unsqueeze(-1) * 2**24 + s  # [G, H, T, S]
    tiles = keep_groups(seed, group, p).unflatten(-1, (KEYS, QUERIES))  # [G, H, T, S, 4, 32]
    kept = tiles.permute(0, 1, 2, 5, 3, 4).flatten(4, 5).flatten(2, 3)  # [G, H, 32 T, 4 S]
    return kept[:, :, :longest, :longest]


def _setup(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.num_heads, ctx.dropout = inputs
    ctx.save_for_backward(*tensors, *output)
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * len(ctx.needs_input_grad)
    grad_qkv, grad_bias = _attention_backward(grad, *ctx.saved_tensors, ctx.num_heads, ctx.dropout)
    # Of qkv, bias; ptr, pair_ptr, seed, num_heads and dropout have none.
    return grad_qkv, grad_bias if ctx.needs_input_grad[1] else None, *[None] * 5


def _fake(
    qkv: Tensor,
    bias: Tensor | None,
    ptr: Tensor,
    pair_ptr: Tensor | None,
    seed: Tensor | None,
    num_heads: int,
    dropout: float,
) -> tuple[Tensor, Tensor]:
    """[N, H·C] and log Σ_j exp(score_ij) [N, H], in float32 at least."""
    out = qkv.new_empty(qkv.shape[0], qkv.shape[1] // 3)
    logsum = qkv.new_empty(qkv.shape[0], num_heads, dtype=torch.promote_types(qkv.dtype, torch.float32))
    return out, logsum


def _fake_backward(grad: Tensor, qkv: Tensor, bias: Tensor | None, *rest: Any) -> tuple[Tensor, Tensor]:
    *_, num_heads, _dropout = rest
    pairs = 0 if bias is None else bias.shape[0]
    return torch.empty_like(qkv), qkv.new_empty(pairs, num_heads)


_attention = differentiable("attention", _fake, _setup, _backward)
_attention_backward = kernel("attention_backward", _fake_backward)
