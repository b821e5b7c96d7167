"""GTSP on whole models: laws, compaction, costs, phases that resume, and what it refuses."""

import json
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from gnnlab import compose, prepare, run
from gnnlab.config import build
from gnnlab.errors import UsageError
from gnnlab.packed import Packed
from gnnlab.prepared import Prepared
from gnnlab.results.__main__ import main
from gnnlab.sparsifiers.gtsp.compact import compacted, dense, install
from gnnlab.sparsifiers.gtsp.cost import Plan, counted, measure, sites
from gnnlab.sparsifiers.gtsp.method import GTSP, left
from gnnlab.sparsifiers.gtsp.plan import plan
from gnnlab.sparsifiers.gtsp.select import counts
from gnnlab.sparsifiers.gtsp.switches import LayerMask
from gnnlab.sparsifiers.gtsp.tokens import TokenMask
from gnnlab.testing import (
    assert_batch_independent,
    assert_finite_with_gradients,
    assert_permutation_equivariant,
    sample_spec,
)
from gnnlab.testing import sample as graphs_of_all_kinds
from gnnlab.weights import initial
from tests import interrupted

MODELS = [
    "gps model/mixer=attention",
    "gps model/mixer=graphormer",
    "gps model/mixer=performer",
    "gsm model.mixer.tokens=nodes",
    "graph_transformer",
    "graphormer",
]
SELECTING = [name for name in MODELS if "performer" not in name and name != "graph_transformer"]


@cache
def small_graphs() -> Packed:
    everything = graphs_of_all_kinds()
    return everything.take((everything.ptr.diff() < 400).nonzero()[:, 0])


def made(name: str, *further: str) -> nn.Module:
    sizes = ("model.hidden_dim=16", "model.num_layers=3", *further)
    cfg = compose(*f"model={name}".split(), "dataset=zinc", "encoding=[]", "preset=none", *sizes)
    torch.manual_seed(0)
    return build(cfg.model, spec=sample_spec("graph"), encodings=[])


def masked(name: str) -> nn.Module:
    """Each layer with some other heads, the second one off, half of the tokens; scores that are not all the same."""
    model = made(name)
    install(model, tokens=name in SELECTING, heads=True, layers=True)
    for number, site in enumerate(sites(model)):
        site.head_mask.on[[number % site.num_heads, -1]] = False
        if isinstance(site.token_mask, TokenMask):
            site.token_mask.keep.fill_(0.5)
            nn.init.normal_(site.token_mask.weight)
    model.layers[1].on.fill_(False)
    return model


@pytest.mark.parametrize("name", MODELS)
def test_masks_that_let_all_through_change_nothing(name: str) -> None:
    model, batch = made(name).double().eval(), small_graphs().batch()
    torch.manual_seed(0)
    before = model(batch)
    install(model, tokens=name in SELECTING, heads=True, layers=True)
    torch.manual_seed(0)
    torch.testing.assert_close(model.double()(batch), before, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_the_compacted_model_equals_the_masked_one(name: str) -> None:
    model = masked(name).eval()
    small, graphs = compacted(model), small_graphs()
    torch.manual_seed(0)
    expected = model(graphs.batch())
    torch.manual_seed(0)
    torch.testing.assert_close(small(graphs.batch()), expected, rtol=1e-5, atol=1e-5)
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in dense(model).parameters())
    assert counted(small, graphs) < counted(dense(model), graphs)


@pytest.mark.parametrize("name", MODELS)
def test_the_dense_copy_is_the_model_of_before(name: str) -> None:
    torch.manual_seed(0)
    before = made(name).state_dict()
    after = dense(masked(name)).state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("name", MODELS)
def test_laws_hold_with_masks(name: str) -> None:
    model, graphs = masked(name), small_graphs()
    model.breaks_ties = True
    assert_permutation_equivariant(model, graphs)
    assert_batch_independent(model, graphs)
    for part in model.modules():
        part.learns = True
    assert_finite_with_gradients(model, graphs)


@pytest.mark.parametrize("name", MODELS)
def test_the_formula_of_flops_is_what_is_counted(name: str) -> None:
    graphs, model = small_graphs(), made(name)
    costs = measure(model, graphs)
    assert costs.dense == pytest.approx(counted(model, graphs), rel=1e-9)
    one = Plan(0.5 if name in SELECTING else 1.0, costs.site.num_heads // 2, 2)
    install(model, one.tokens < 1, True, True)
    for site in sites(model):
        site.head_mask.on[one.heads :] = False
        if isinstance(site.token_mask, TokenMask):
            site.token_mask.keep.fill_(one.tokens)
    model.layers[0].on.fill_(False)
    assert costs.of(one) == pytest.approx(counted(compacted(model), graphs), rel=1e-9)


def test_flops_of_attention_are_those_of_the_book() -> None:
    """8 n d² of the four maps and 4 n² d of scores and values; the feed-forward block 8 n d², GINE's map 4 n d²."""
    graphs, d = small_graphs(), 16
    n = graphs.ptr.diff().double()
    costs = measure(made("gps"), graphs)
    assert float(costs.site.flops(n, n, 4).sum()) == float((8 * n * d**2 + 4 * n**2 * d).sum())
    assert costs.other == pytest.approx(float((12 * n * d**2).sum()))


@pytest.mark.parametrize(("name", "keep"), [("gps", 0.3), ("gps", 0.5), ("gps", 0.7), ("graphormer", 0.6)])
def test_a_plan_spends_its_budget_and_nearly_all_of_it(name: str, keep: float) -> None:
    costs = measure(made(name, "model.num_layers=6"), small_graphs())
    one = plan(costs, keep, None, None, None)
    assert keep - 0.05 < costs.of(one) / costs.dense <= keep


def test_a_plan_keeps_to_the_shares_that_are_given() -> None:
    costs = measure(made("gps", "model.num_layers=6"), small_graphs())
    assert plan(costs, None, None, 0.5, None) == Plan(1.0, 2, 6)
    assert plan(costs, None, 0.3, None, 0.5) == Plan(0.3, 4, 3)
    assert plan(costs, 0.7, None, 0.25, None).heads == 1
    assert plan(costs, 0.7, 1.0, 1.0, None) == Plan(1.0, 4, 4)


def test_a_budget_out_of_reach_is_told_and_the_cheapest_plan_taken(caplog: pytest.LogCaptureFixture) -> None:
    costs = measure(made("gps"), small_graphs())
    one = plan(costs, 0.2, None, None, 1.0)
    assert (one.heads, one.layers) == (1, 3)
    assert set(counts(costs.nodes, one.tokens).tolist()) == {1}
    assert f"keep=0.2 of the FLOPs is out of reach; it is {costs.of(one) / costs.dense:.2f} here" in caplog.text


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where CSL and its encodings are cached."""
    return tmp_path_factory.mktemp("data")


def prepared(data: Path, *overrides: str) -> Prepared:
    return prepare(config(data, *overrides))


def config(data: Path, *overrides: str):
    small = ("model.hidden_dim=16", "model.num_layers=2", "model.mixer.dropout=0.2", "encoding.rwse.dim=4")
    quick = ("trainer.max_epochs=6", "trainer.progress=false", "trainer.device=cpu", "loader.limit=12", "logger=csv")
    where = (f"out={data / 'runs'}", f"data.root={data}")
    return compose("dataset=csl", "dataset.fold=0", "sparsifier=gtsp", *small, *quick, *where, *overrides)


def test_no_mask_where_all_stays(data: Path) -> None:
    whole = prepared(data, "sparsifier.keep=1")
    assert [phase.name for phase in whole.phases] == ["train"]
    assert not any(isinstance(part, TokenMask | LayerMask) for part in whole.model.modules())


def test_three_phases_share_the_epochs(data: Path) -> None:
    phases = prepared(data, "sparsifier.keep=0.5", "trainer.max_epochs=10").phases
    assert [(phase.name, phase.epochs) for phase in phases] == [("masks", 5), ("harden", 1), ("finetune", 4)]
    assert phases[0].choose_from == 4, (
        "its dense beginning scores best, yet is not what it hands on, nor a reason to stop"
    )


def test_shares_fall_from_one_to_those_of_the_plan(data: Path) -> None:
    made = prepared(data, "sparsifier.keep=0.5")
    (method,) = made.methods
    assert isinstance(method, GTSP)
    assert set(method.shares(0.0).values()) == {1.0}
    costs, chosen = method.costs, method.plan
    wanted = (chosen.tokens, chosen.heads / costs.site.num_heads, chosen.layers / costs.layers)
    assert tuple(method.shares(1.0).values()) == pytest.approx(wanted)
    falling = [method.shares(t / 10)["layers"] for t in range(11)]
    assert falling == sorted(falling, reverse=True)


def test_a_run_is_trained_reported_and_verified(data: Path, capsys: pytest.CaptureFixture) -> None:
    run(config(data, "sparsifier.keep=0.5", "sparsifier.measure=true"))
    (folder,) = data.glob("runs/*/seed0*")
    found = json.loads((folder / "result.json").read_text())["method"]
    assert found["flops_kept"] == pytest.approx(0.5, abs=0.05)
    assert found["difference"] < 1e-5
    assert found["seconds_sparse"] > 0
    assert sum(found["layers"]) == round(found["layers_kept"] * 2)
    assert main(["verify", str(folder)]) == 0
    assert "DIFFERS" not in capsys.readouterr().out


def test_heads_and_layers_settle_before_the_last_phase(data: Path) -> None:
    made = prepared(
        data, "sparsifier.keep=null", "sparsifier.heads=0.5", "sparsifier.layers=0.5", "sparsifier.tokens=0.5"
    )
    masks, harden, finetune = made.phases
    for phase in (masks, harden, finetune):
        assert phase.on_start is not None
        phase.on_start(made.model)
        if phase is masks:
            assert all(part.learns for part in made.model.modules() if hasattr(part, "learns"))
            for site in sites(made.model):
                site.head_mask.matters.copy_(torch.tensor([0.0, 2.0, 1.0, 3.0]))
    for site in sites(made.model):
        assert site.head_mask.on.tolist() == [False, True, False, True]
        assert any(site.token_mask.weight is frozen for frozen in finetune.frozen)
    assert [bool(layer.on) for layer in made.model.layers].count(True) == 1


HALF = (
    "sparsifier=gtsp",
    "sparsifier.keep=null",
    *(f"sparsifier.{kind}=0.5" for kind in ("tokens", "heads", "layers")),
)


def test_what_is_told_to_be_kept_is_what_the_masks_leave() -> None:
    assert left(masked(SELECTING[0])) == {"tokens_kept": 0.5, "heads_kept": 0.5, "layers_kept": 2 / 3}
    assert set(left(made("gps")).values()) == {1.0}


def test_a_snowflake_begins_anew_with_the_masks_and_no_later(tmp_path: Path) -> None:
    """Layers that can be off by now go back too; what is trained from there on stays."""
    made = prepare(interrupted.tiny(tmp_path, "OneGraph", "model=gps", "aggregation=snowflake", *HALF))
    assert [phase.name for phase in made.phases] == ["proxy", "masks", "harden", "finetune"]
    start = initial(made.model)
    for phase in made.phases[1:]:
        with torch.no_grad():
            for parameter in made.model.parameters():
                parameter.add_(1.0)
        expected = start if phase.name == "masks" else initial(made.model)
        assert phase.on_start is not None
        phase.on_start(made.model)
        assert all(torch.equal(value, expected[name]) for name, value in initial(made.model).items()), phase.name


def test_the_tickets_of_a_lottery_are_as_sparse(tmp_path: Path) -> None:
    asked = ("model=gps", *HALF, "pruning=lottery", "pruning.keep=0.5", "pruning.rounds=1")
    made, _ = interrupted.fit(interrupted.tiny(tmp_path, "PlainGraphs", *asked), tmp_path / "run")
    found = made.methods[0].report(made.model, made.last, tmp_path)
    assert (found["tokens_kept"], found["heads_kept"], found["layers_kept"]) == (0.5, 0.5, 0.5)
    assert sum(found["layers"]) == 1
    assert found["flops_kept"] < 0.6


def test_stopped_in_any_phase_and_in_one_that_comes_after_and_resumed(tmp_path: Path) -> None:
    """Two steps an epoch: the masks' phase has 4, the next two 2 each, and then comes the pruning of weights."""
    asked = ("model=gps", "model.mixer.dropout=0.2", *HALF, "pruning=magnitude", "pruning.keep=0.5")
    interrupted.assert_resumes(interrupted.tiny(tmp_path, "PlainGraphs", *asked), tmp_path, stops=[2, 3, 5, 7, 9])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("model=mpnn", "sparsifier=gtsp needs attention .* which model=mpnn does not give"),
        ("model/mixer=mamba", "sparsifier=gtsp needs attention .* which model/mixer=mamba does not give"),
        (
            "model.num_layers=0",
            r"sparsifier=gtsp needs attention .* which model=gps \(model.num_layers=0\) does not give",
        ),
        ("model/mixer=none", "sparsifier=gtsp needs attention .* which model/mixer=none does not give"),
        ("sparsifier.keep=0", r"sparsifier.keep=0.* above 0 and at most 1"),
        ("sparsifier.heads=1.5", r"sparsifier.heads=1.5 .* above 0 and at most 1"),
        ("sparsifier.masks=0.9 sparsifier.harden=0.2", "leave none for the rest"),
        ("trainer.max_epochs=2", "2 epochs are too few to learn masks and settle them"),
    ],
)
def test_refusals(tmp_path: Path, overrides: str, message: str) -> None:
    parts = overrides.split()
    with pytest.raises(UsageError, match=message):
        prepare(compose("dataset=csl", "dataset.fold=0", "sparsifier=gtsp", f"data.root={tmp_path}", *parts))


def test_tokens_are_not_taken_from_attention_along_edges(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"sparsifier.tokens=0.5: GraphTransformerLayer is not a softmax attention"):
        prepare(compose("dataset=csl", "dataset.fold=0", "model=graph_transformer", "sparsifier=gtsp",
                        "sparsifier.tokens=0.5", f"data.root={tmp_path}"))  # fmt: skip
