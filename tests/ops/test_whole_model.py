"""A whole model as one node of autograd's graph, and gradients that reach `.grad` without autograd's help."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from gnnlab import compose
from gnnlab.batch import Batch
from gnnlab.config import build
from gnnlab.nn.embedding import FeatureEmbedding
from gnnlab.nn.stack import Stack
from gnnlab.ops import backend
from gnnlab.ops.recorded.direct import direct_gradients
from gnnlab.ops.recorded.one_node import one_node
from gnnlab.ops.recorded.replay import PLACE
from gnnlab.packed import Packed
from gnnlab.spec import Feature
from gnnlab.testing import random_graph, sample_spec
from tests.ops.layers import LAYERS, batch, learnt, op_by_op, states

pytestmark = pytest.mark.skipif(not backend.load(), reason="the kernels cannot be built here")

MODELS = {
    "gps": ("model=gps", "encoding=rwse", "encoding.rwse.dim=4"),
    "gine": ("model=gine", "encoding=[]"),
    "gps with two encodings": ("model=gps", "encoding=[rwse,hkdiag]", "encoding.rwse.dim=4", "encoding.hkdiag.dim=4"),
    "transformer": ("model=graph_transformer", "encoding=[]"),
    "depthwise head": ("model=gin", "encoding=[]", "model/head=depthwise"),
}


def parts(name: str) -> tuple[Stack, Callable[..., Batch]]:
    """A small model, and what makes batches for it."""
    cfg = compose("dataset=zinc", "preset=none", *MODELS[name], "model.hidden_dim=16", "model.num_layers=2")
    encodings = [build(section) for section in (cfg.get("encoding") or {}).values()]
    torch.manual_seed(0)
    model = build(cfg.model, spec=sample_spec("graph"), encodings=encodings)

    def graphs(*sizes: int, seed: int = 0) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        packed = Packed.from_graphs([random_graph(n, 3 * n, generator) for n in sizes])
        for encoding in encodings:
            packed = packed.with_node(**encoding.precompute(packed))
        return packed.batch()

    return model.train(), graphs


def step(model: Stack, run: Callable[[Batch], Tensor], graphs: Batch) -> list[Tensor]:
    """What a step leaves: predictions, gradients, buffers and the random state after it."""
    torch.manual_seed(1)
    model.zero_grad()
    out = run(graphs)
    out.square().sum().backward()
    left = [out, *(p.grad for p in model.parameters()), *model.buffers()]
    return [torch.get_rng_state(), *(tensor.detach().clone() for tensor in left if tensor is not None)]


def directly(model: nn.Module) -> Callable[..., Tensor]:
    def run(*given: object) -> Tensor:
        with direct_gradients():
            return model(*given)

    return run


def assert_same(left: list[Tensor], right: list[Tensor]) -> None:
    assert len(left) == len(right)
    assert all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("way", ["by autograd", "direct"])
@pytest.mark.parametrize("name", MODELS)
def test_same_to_the_bit_as_part_by_part(name: str, way: str) -> None:
    model, graphs = parts(name)
    twin = deepcopy(model)
    for sizes in ((5, 9), (4, 7, 3), (6, 2), (30, 2), (1, 2), (4,)):
        one = graphs(*sizes)
        run = model if way == "by autograd" else directly(model)
        assert_same(step(model, run, one), step(twin, twin.run, one))
    whole = name not in ("depthwise head", "transformer")  # torch reads states of theirs
    assert ("Replayed" in node(model, graphs(5, 4))) == whole
    assert bool(vars(model)[PLACE].programs) == whole


def node(model: Stack, graphs: Batch) -> str:
    return type(model(graphs).grad_fn).__name__


def test_features_of_another_type_are_another_kind() -> None:
    model, graphs = parts("gine")
    for seed in range(3):
        step(model, model, graphs(5, 9, seed=seed))
    assert "Replayed" in node(model, graphs(4, 3))
    unsigned = graphs(4, 3)
    unsigned.node["x"] = unsigned.node["x"].to(torch.uint8)
    assert_same(step(deepcopy(model), model, graphs(4, 3))[:2], step(deepcopy(model), model, unsigned)[:2])


def test_what_numbers_in_a_batch_decide_is_not_recorded() -> None:
    """Whether continuous features go by their entries depends on how many are zero."""
    model, graphs = parts("gine")
    model.nodes.features = FeatureEmbedding(Feature.continuous(8), 16)
    twin = deepcopy(model)
    for seed, share in enumerate((0.0, 1.0, 0.0, 1.0, 0.0)):
        one = graphs(5, 9, seed=seed)
        one.node["x"] = (torch.rand(14, 8) < share).float()
        assert_same(step(model, model, one), step(twin, twin.run, one))
    assert vars(model)[PLACE].foreign
    assert not vars(model)[PLACE].programs


def test_direct_gradients_add_up_and_leave_the_frozen_alone() -> None:
    layer, graphs = LAYERS["gps"](), batch(5, 9)
    layer.norm.weight.requires_grad_(False)
    twin = deepcopy(learnt(layer))

    def gradients(layer: nn.Module, run: Callable, direct: bool) -> list[Tensor | None]:
        layer.zero_grad()
        for seed in range(2):
            torch.manual_seed(seed)
            with direct_gradients() if direct else torch.enable_grad():
                x, e = run(layer, *states(graphs), graphs)
            (x.sum() + e.square().sum() + 2 * layer.norm.bias.sum()).backward()
        return [p.grad for p in layer.parameters()]

    ours, theirs = gradients(layer, one_node, direct=True), gradients(twin, op_by_op, direct=False)
    for a, b in zip(ours, theirs, strict=True):
        assert a is b is None or (a is not None and b is not None and torch.allclose(a, b, rtol=1e-6))
    assert layer.norm.weight.grad is None


def test_direct_gradients_are_no_ones_else() -> None:
    """Clipping scales them in place: none may share its memory with another, or with one of the step before."""
    layer, graphs = learnt(LAYERS["chain"]()), batch(5, 9)
    with direct_gradients():
        x, _ = one_node(layer, *states(graphs), graphs)
    x.sum().backward()
    grads = [p.grad for p in layer.parameters() if p.grad is not None]
    assert len({grad.untyped_storage().data_ptr() for grad in grads}) == len(grads) > 10
    assert all(grad.grad_fn is None and grad.is_contiguous() for grad in grads)


def test_a_hook_of_a_parameter_sees_its_gradient() -> None:
    layer, graphs, seen = learnt(LAYERS["gps"]()), batch(5, 9), []
    layer.norm.bias.register_hook(seen.append)
    with direct_gradients():
        x, _ = one_node(layer, *states(graphs), graphs)
    x.sum().backward()
    assert len(seen) == 1
