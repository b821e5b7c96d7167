"""Edge gates: an edge of weight 0 is an edge removed, ones change nothing, in every model that says it weighs edges."""

from functools import cache

import pytest
import torch
from torch import Tensor, nn

from gnnlab import compose
from gnnlab.batch import Batch
from gnnlab.config import build, conf_dir
from gnnlab.config.signature import facts
from gnnlab.config.source import find
from gnnlab.errors import UsageError
from gnnlab.models.mpnn import MPNN
from gnnlab.nn.conv.gcn import GCN
from gnnlab.nn.gate import Gate
from gnnlab.nn.head import Flat
from gnnlab.packed import Packed
from gnnlab.testing import sample, sample_spec


class Fixed(nn.Module):
    """The same weights for every layer."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, batch: Batch) -> Gate:
        return lambda layer, x: self.weight.to(x.dtype)


WITHOUT_DEGREES = {"exphormer": "model.cycles=0", "graph_mamba": "model/mixer=none", "gsm": "model/mixer=none"}
"""Parts that take nodes by degree: that of an edge removed is another."""


def weighing() -> list[str]:
    found = []
    for path in sorted((conf_dir() / "model").glob("*.yaml")):
        definition = find(compose(f"model={path.stem}", "dataset=zinc").model._target_)
        if definition and "edge_weight" in facts(definition, "gives"):
            found.append(path.stem)
    return [f"{name} {WITHOUT_DEGREES.get(name, '')}" for name in found]


CONVS = [
    f"mpnn model/conv={path.stem}" for path in sorted((conf_dir() / "model" / "conv").glob("*.yaml"))
    if path.stem != "none"
]  # fmt: skip


@pytest.mark.parametrize("model", ["model=mlp", "model=gps model.num_layers=0"])
@pytest.mark.parametrize("method", ["aggregation=snowflake", "sparsifier=ugs"])
def test_a_model_without_layers_weighs_no_edges(model: str, method: str) -> None:
    without = rf"{model.split()[0]} \(model.num_layers=0\)"
    with pytest.raises(UsageError, match=f"{method} needs layers that take weights .*, which {without} does not give"):
        compose(*model.split(), "dataset=cora", method)
    assert MPNN(sample_spec("graph"), [], GCN, Flat, num_layers=1).weighs_edges
    assert not MPNN(sample_spec("graph"), [], GCN, Flat, num_layers=0).weighs_edges


@cache
def made(composition: str) -> nn.Module:
    cfg = compose(*f"model={composition}".split(), "dataset=zinc", "encoding=[]", "preset=none", "model.hidden_dim=16")
    torch.manual_seed(0)
    return build(cfg.model, spec=sample_spec("graph"), encodings=[]).double().eval()


def output(composition: str, graphs: Packed, weight: Tensor | None) -> Tensor:
    model = made(composition)
    model.aggregation = None if weight is None else Fixed(weight)
    with torch.no_grad():
        return model(graphs.batch())


@pytest.mark.parametrize("composition", sorted({*weighing(), *CONVS}))
def test_ones_change_nothing(composition: str) -> None:
    graphs = sample().take(torch.arange(4))
    torch.testing.assert_close(
        output(composition, graphs, torch.ones(graphs.num_edges)), output(composition, graphs, None)
    )


@pytest.mark.parametrize("composition", sorted({*weighing(), *CONVS}))
def test_zero_is_an_edge_removed(composition: str) -> None:
    graphs = sample().take(torch.arange(4))
    kept = torch.rand(graphs.num_edges, generator=torch.Generator().manual_seed(0)) < 0.6
    torch.testing.assert_close(
        output(composition, graphs, kept.double()), output(composition, graphs.keep_edges(kept), None)
    )
