"""LSUV gives every linear map of every model outputs of deviation 1, in the order in which they are applied."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from gnnlab import compose
from gnnlab.batch import Batch
from gnnlab.config import build, conf_dir
from gnnlab.models.gnnplus import GNNPlus
from gnnlab.nn.conv.gcn import GCN
from gnnlab.nn.head import Pyramid
from gnnlab.nn.lsuv import lsuv
from gnnlab.nn.mixer.mamba import Mamba
from gnnlab.ops import backend
from gnnlab.testing import sample_for, sample_spec


class Outputs(TorchFunctionMode):
    """Within it, the deviations of what linear maps give, by the id of their matrix, the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[int, Tensor] = {}

    def __torch_function__(self, func: Callable, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is functional.linear:
            self.found.setdefault(id(args[1]), out.std())
        return out


def deviations(model: nn.Module, batch: Batch) -> dict[str, float]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    with torch.no_grad(), backend.using("reference"), Outputs() as outputs:
        model.eval()(batch)
    return {names[key]: float(value) for key, value in outputs.found.items()}


@pytest.mark.parametrize("name", sorted(path.stem for path in (conf_dir() / "model").glob("*.yaml")))
def test_every_map_of_every_model_has_outputs_of_deviation_one(name: str) -> None:
    depth = [] if name == "mlp" else ["model.num_layers=2"]
    cfg = compose(f"model={name}", "dataset=zinc", "preset=none", "model.hidden_dim=16", *depth)
    torch.manual_seed(0)
    model = build(cfg.model, spec=sample_spec("graph"), encodings=[])
    batch = sample_for(model).batch()
    lsuv(model, batch)
    assert model.training
    kept = {f"{path}.{own}.weight" for path, part in model.named_modules() for own in getattr(part, "own_init", ())}
    found = {key: value for key, value in deviations(model, batch).items() if key not in kept}
    assert len(found) >= (2 if name == "mlp" else 3)
    assert found == pytest.approx(dict.fromkeys(found, 1.0), rel=1e-3)


def test_a_deep_stack_neither_fades_nor_grows() -> None:
    """16 layers of GCN without norms or residuals: the deviation falls to nothing, and not with LSUV."""
    torch.manual_seed(0)
    model = GNNPlus(sample_spec("graph"), [], GCN, Pyramid, 16, 16, norm=False, residual=False, feed_forward=False)
    batch = sample_for(model).batch()
    layers = [f"layers.{layer}.conv.linear.weight" for layer in range(16)]
    before = deviations(model, batch)
    lsuv(model, batch)
    after = deviations(model, batch)
    assert before[layers[-1]] < 0.05 * before[layers[0]]
    assert [after[layer] for layer in layers] == pytest.approx([1.0] * 16, rel=1e-3)


def test_what_has_an_initialisation_of_its_own_keeps_it() -> None:
    model = nn.ModuleDict({"mamba": Mamba(8)})
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = model

        def forward(self, batch: Batch) -> Tensor:
            return model["mamba"](torch.randn(batch.num_nodes, 8), batch)

    wrapped = Wrapped()
    lsuv(wrapped, sample_for(wrapped).batch())
    same = {name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])}
    changed = {name.split(".", 3)[3] for name in set(before) - same}
    assert changed == {"inside.weight", "outside.weight"}


@pytest.mark.parametrize("nodes", [0, 1])
def test_a_batch_with_nothing_to_measure_leaves_finite_weights(nodes: int) -> None:
    torch.manual_seed(0)
    model = GNNPlus(sample_spec("graph"), [], GCN, Pyramid, 8, 2)
    lsuv(model, sample_for(model).batch(0, nodes))
    assert all(parameter.isfinite().all() for parameter in model.parameters())
