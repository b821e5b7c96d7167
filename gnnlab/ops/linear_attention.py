"""Attention by positive features in place of softmax: Katharopoulos et al., "Transformers are RNNs", ICML 2020.

The cost is linear in the nodes. With random features of softmax's kernel it is the core of Performer (Choromanski et
al., ICLR 2021). Shapes: q, k [N, H·M] for H heads of M features, v [N, H·C].
"""

from typing import Any

import torch
from torch import Tensor

from gnnlab.batch import Batch
from gnnlab.ops.backend import fused
from gnnlab.ops.define import differentiable, kernel


def linear_attention(q: Tensor, k: Tensor, v: Tensor, batch: Batch, num_heads: int) -> Tensor:
    """Σ_j (q_i·k_j) v_j / Σ_j q_i·k_j over the nodes j of the graph of i, for positive q and k: [N, H·C]."""
    if not fused(q, "linear_attention"):
        return reference(q, k, v, batch, num_heads)
    return _linear_attention(q, k.to(q.dtype), v.to(q.dtype), batch.ptr, batch.batch, num_heads)[0]


def reference(q: Tensor, k: Tensor, v: Tensor, batch: Batch, num_heads: int) -> Tensor:
    """The same in plain torch."""
    query, key, value = (x.unflatten(1, (num_heads, x.shape[1] // num_heads)) for x in (q, k, v))
    value = torch.cat([value, torch.ones_like(value[..., :1])], -1)
    products = key.unsqueeze(-1) * value.unsqueeze(-2)
    states = products.new_zeros(batch.num_graphs, *products.shape[1:]).index_add(0, batch.batch, products)
    mixed = (query.unsqueeze(-2) @ states.index_select(0, batch.batch)).squeeze(-2)
    return (mixed[..., :-1] / mixed[..., -1:]).flatten(1)


def _setup(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.num_heads = inputs
    ctx.save_for_backward(*tensors, *output)
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * len(ctx.needs_input_grad)
    return *_linear_attention_backward(grad, *ctx.saved_tensors, ctx.num_heads), None, None, None


def _fake(q: Tensor, k: Tensor, v: Tensor, ptr: Tensor, graph: Tensor, num_heads: int) -> tuple[Tensor, Tensor]:
    return torch.empty_like(v), q.new_empty(q.shape[0], num_heads)


def _fake_backward(grad: Tensor, q: Tensor, k: Tensor, v: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)


_linear_attention = differentiable("linear_attention", _fake, _setup, _backward)
_linear_attention_backward = kernel("linear_attention_backward", _fake_backward)
