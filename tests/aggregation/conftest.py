"""The small graph as a dataset to choose, and trainings of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from gnnlab import compose
from gnnlab.prepared import Prepared
from gnnlab.trainer.state import FitResult
from tests import interrupted

QUICK = """
model=mpnn model/conv=gcn model/head=flat model.hidden_dim=8 model.num_layers=3 model.dropout=0.2
dataset=small encoding=[] preset=none allow=[tests] optimizer=adam optimizer.lr=0.01 scheduler=constant logger=csv
trainer.max_epochs=4 trainer.device=cpu trainer.progress=false
""".split()


@pytest.fixture(scope="session")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., DictConfig]:
    """The config of a quick run on the small graph, with further overrides."""
    folder = tmp_path_factory.mktemp("conf")
    (folder / "dataset").mkdir()
    (folder / "dataset" / "small.yaml").write_text("_target_: tests.aggregation.small.Small\nkind: plain\n")
    data = tmp_path_factory.mktemp("data")
    return lambda *overrides: compose(*QUICK, f"data.root={data}", *overrides, config_dir=folder)


@pytest.fixture
def fit(composed: Callable[..., DictConfig], tmp_path: Path) -> Callable[..., tuple[Prepared, FitResult]]:
    """Trains in the folder of that name."""
    return lambda name, *overrides: interrupted.fit(composed(*overrides), tmp_path / name)
