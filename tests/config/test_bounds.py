"""Numbers out of their range are refused when a config is composed: before data, and before a sweep begins."""

import pytest

import gnnlab
from gnnlab.errors import UsageError

REFUSED = {
    "model.hidden_dim=0": "model=gps takes int at least 1",
    "model.num_layers=-1": "int at least 0",
    "model=prenorm model.num_layers=0": "int at least 1",
    "model.mixer.num_heads=0": "model/mixer=attention takes int at least 1",
    "model.dropout=2": "float at least 0 and at most 1",
    "model=san encoding=lappe model.gamma=-1": "float at least 0",
    "encoding.rwse.steps=0": "encoding=rwse takes int at least 1",
    "encoding.rwse.dim=0": "int at least 1 or null",
    "encoding=rrwp encoding.rrwp.steps=1": "int at least 2",
    "dataset=pattern dataset.num_val=0": "int at least 1",
    "dataset=tree_neighbours_match dataset.depth=1": "int at least 2",
    "dataset.fold=5": "dataset=csl has folds 0 … 4, and all",
    "loader.batch_size=0": "int at least 1 or null",
    "loader.limit=0": "int at least 1 or null",
    "optimizer.lr=-1": "float at least 0",
    "scheduler.warmup=-1": "int at least 0",
    "scheduler=plateau scheduler.factor=1": "float above 0 and below 1",
    "trainer.max_epochs=0": "trainer=default takes int at least 1",
    "trainer.checkpoint_every=nan": "float at least 0",
    "trainer.clip=0": "float above 0 or null",
    "trainer.ema=1.0": "float at least 0 and below 1 or null",
    "sparsifier=random sparsifier.keep=0": "sparsifier=random takes float above 0 and at most 1",
    "model=gcn sparsifier=teddy sparsifier.keep=1.01": "float above 0 and at most 1",
    "model=gcn sparsifier=teddy sparsifier.distill=-1.0": "float at least 0",
    "model=exphormer model.cycles=-1": "int at least 0",
    "sparsifier=gtsp sparsifier.tokens=1.5": "float above 0 and at most 1 or null",
    "model=gcn sparsifier=wdglt sparsifier.distance=-0.1": "float at least 0",
    "model=gcn aggregation=dropedge aggregation.rate=1": "float at least 0 and below 1",
    "model=gcn aggregation=snowflake aggregation.beta=nan": "float at least 0",
    "model=gcn aggregation=snowflake aggregation.stage1_epochs=0": "int at least 1 or null",
    "pruning=granet pruning.regrow=1.5": "float at least 0 and at most 1",
    "pruning=lottery pruning.rounds=0": "int at least 1",
    "seed=-1": "int at least 0 and below 4294967296",
    "budget=100kk": "is not a number of parameters",
}


@pytest.mark.parametrize("typed", REFUSED)
def test_refusals(typed: str) -> None:
    with pytest.raises(UsageError) as refusal:
        gnnlab.compose(*typed.split())
    key, value = typed.split()[-1].split("=")
    assert str(refusal.value).startswith(f"{key}={value.replace('nan', 'NaN')} ")
    assert str(refusal.value).endswith(f"{REFUSED[typed]}.") or key == "budget"


@pytest.mark.parametrize(
    "typed",
    [
        "model=gmn model.reach=0",
        "model=graphormer model.path=0",
        "model/mixer=graphormer model.mixer.path=0",
        "model/mixer=hybrid model.mixer.max_distance=0",
        "model.num_layers=0",
        "optimizer.lr=0",
    ],
)
def test_a_nought_that_means_none_is_accepted(typed: str) -> None:
    gnnlab.compose("dataset=zinc", *typed.split())
