"""A small project of stand-in parts: config files, and a module that must never be imported."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from omegaconf import DictConfig

import gnnlab.config
from gnnlab.config.source import read

MODULE = """
    raise RuntimeError("the check imported a part")

    from abc import ABC
    from dataclasses import dataclass, field
    from typing import Annotated, Any, ClassVar, Literal, Optional
    from annotated_types import Ge, Lt

    Act = Literal["relu", "gelu"]
    Rate = Annotated[float, Ge(0), Lt(1), "of what is dropped"]

    class Root:
        def __init__(self, **anything): ...

    class Dataset(ABC):
        gives: ClassVar[tuple[str, ...]] = ("graph_level",)

    class Tiny(Dataset):
        num_folds: ClassVar[int] = 5
        def __init__(self, source, fold: int | Literal["all"] = 0): ...

    class Molecules(Dataset):
        gives = ("graph_level", "edge_attr", "undirected")
        def __init__(self, source): ...

    @dataclass(frozen=True)
    class Encoding(ABC):
        dim: int | None = None

    @dataclass(frozen=True)
    class Walks(Encoding):
        steps: int = 16
        cache: dict = field(init=False, default_factory=dict)

    @dataclass(frozen=True)
    class Waves(Encoding):
        needs: ClassVar[tuple[str, ...]] = ("undirected",)
        k: int = 8

    class Conv:
        def __init__(self, dim: int): ...

    class Sum(Conv):
        pass

    class EdgeConv(Conv):
        needs = ("edge_attr",)
        def __init__(self, dim: int, eps: float = 0.0): ...

    class SpecConv(Conv):
        def __init__(self, dim: int, spec, eps: float = 0.0): ...

    class Net:
        def __init__(self, spec, encodings, conv: "Conv | None", hidden_dim: int = 8, act: Act = "relu",
                     dropout: float = 0.0, rate: Rate | None = None, widths: tuple[int, ...] = ()): ...

    class WalkNet(Net):
        needs = ("walks",)

    def loader(packed, shuffle, seed, rank, world, batch_size: int = 4): ...
    def optimizer(params, lr: float = 0.1, betas: tuple[float, float] = (0.9, 0.99)): ...
    def scheduler(optimizer, epochs, maximize, warmup: int = 0): ...
    def step(optimizer): ...

    class Trainer:
        def __init__(self, max_epochs: int = 1, clip: Optional[float] = None, ema: float | None = None): ...

    class Csv:
        def __init__(self, folder): ...
"""
FILES = {
    "config.yaml": """
        defaults:
          - _self_
          - dataset: tiny
          - model: net
          - encoding: [walks]
          - optimizer: sgd
          - scheduler: flat
          - trainer: default
          - logger: [csv]
          - preset: none
          - experiment: none
          - override hydra/hydra_logging: none
          - override hydra/job_logging: none
        seed: 0
        out: runs
        resume: never
        budget: null
        init: default
        ops: auto
        allow: []
        data: {_target_: standin.Root, mirror: "${oc.env:GNNLAB_MIRROR,null}"}
        loader: {_target_: standin.loader, _partial_: true, batch_size: 4}
        hydra: {output_subdir: null, run: {dir: .}, sweep: {dir: "${out}/.sweep", subdir: .}}
    """,
    "dataset/tiny.yaml": "{_target_: standin.Tiny, fold: 0}",
    "dataset/molecules.yaml": "{_target_: standin.Molecules}",
    "encoding/walks.yaml": "walks: {_target_: standin.Walks, steps: 16}",
    "encoding/waves.yaml": "waves: {_target_: standin.Waves}",
    "encoding/none.yaml": "",
    "model/net.yaml": """
        defaults: [{conv: sum}]
        _target_: standin.Net
        hidden_dim: 8
    """,
    "model/walknet.yaml": """
        defaults: [net, {override conv: edge}, _self_]
        _target_: standin.WalkNet
        conv: {eps: 1.0}
    """,
    "model/bare.yaml": "{_target_: standin.Net}",
    "model/conv/sum.yaml": "{_target_: standin.Sum, _partial_: true}",
    "model/conv/edge.yaml": "{_target_: standin.EdgeConv, _partial_: true}",
    "model/conv/none.yaml": """
        # @package model
        conv: null
    """,
    "optimizer/sgd.yaml": "{_target_: standin.optimizer, _partial_: true, lr: 0.1}",
    "scheduler/flat.yaml": "{_target_: standin.scheduler, _partial_: true}",
    "trainer/default.yaml": "{_target_: standin.Trainer, max_epochs: 1}",
    "logger/csv.yaml": "csv: {_target_: standin.Csv, _partial_: true}",
    "preset/none.yaml": "# @package _global_",
    "preset/net_molecules.yaml": """
        # @package _global_
        defaults: [override /model/conv: edge, override /encoding: [walks]]
        model: {hidden_dim: 64, conv: {eps: 0.5}}
        encoding: {walks: {steps: 20}}
        optimizer: {lr: 0.01}
    """,
    "experiment/none.yaml": "# @package _global_",
    "experiment/study.yaml": """
        # @package _global_
        defaults: [override /dataset: molecules]
        optimizer: {lr: 0.02}
    """,
}

Compose = Callable[..., DictConfig]


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a small project's config files, in the place of gnnlab's own."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "standin.py").write_text(dedent(MODULE))
    for name, text in FILES.items():
        path = tmp_path / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).strip() + "\n")
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    monkeypatch.setattr(gnnlab.config, "conf_dir", lambda: tmp_path / "conf")
    read.cache_clear()
    return tmp_path / "conf"


@pytest.fixture
def compose(conf: Path) -> Compose:
    """`gnnlab.compose` in the small project."""
    return lambda *overrides, **options: gnnlab.compose("allow=[standin]", *overrides, **options)
