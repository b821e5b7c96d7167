"""What a result says of a model's costs, in closed form."""

from pathlib import Path

import pytest
import torch

from gnnlab import prepare
from gnnlab.costs import costs
from gnnlab.pruning.prunable import prunable
from tests.interrupted import fit, tiny

GPS = ("model=gps", "model/conv=gine", "model/mixer=attention")


def test_a_dense_model_has_everything(tmp_path: Path) -> None:
    made = prepare(tiny(tmp_path, "Graphs", *GPS))
    found, nodes = costs(made), made.loaders["val"].packed.ptr.diff()
    assert found.nonzeros["layers"] == 2
    assert found.nonzeros["heads"] == 2 * 4
    assert found.nonzeros["tokens"] == pytest.approx(float(nodes.double().mean()))
    assert found.nonzeros["edges"] == made.loaders["train"].packed.num_edges
    assert found.nonzeros["macs_per_graph"] == pytest.approx(found.flops / 2, abs=1)


def test_weights_that_are_0_do_not_count(tmp_path: Path) -> None:
    made = prepare(tiny(tmp_path, "Graphs", *GPS))
    before = costs(made).nonzeros
    zeros = 0
    with torch.no_grad():
        for weight in prunable(made.model).values():
            weight[::2] = 0
            zeros += weight[::2].numel()
    after = costs(made).nonzeros
    assert before["weights"] - after["weights"] == zeros
    assert after["macs_per_graph"] < 0.6 * before["macs_per_graph"]


def test_what_is_masked_is_not_there(tmp_path: Path) -> None:
    """The costs of a GTSP are those of the compacted model, with weights that a pruning has set to 0 left out too."""
    whole = costs(prepare(tiny(tmp_path, "Graphs", *GPS))).nonzeros
    sparse = ("sparsifier=gtsp", "sparsifier.keep=0.5", "pruning=magnitude", "pruning.keep=0.5", "trainer.max_epochs=8")
    made, _ = fit(tiny(tmp_path, "Graphs", *GPS, *sparse), tmp_path / "run")
    left = costs(made).nonzeros
    assert left["tokens"] < whole["tokens"] or left["heads"] < whole["heads"]
    assert left["macs_per_graph"] < 0.35 * whole["macs_per_graph"]
    assert left["weights"] < 0.7 * whole["weights"]
