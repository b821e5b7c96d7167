"""The sections of a config: which there are, what the run hands to each, what they are called when typed."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gnnlab.errors import UsageError

VALUES = {
    "seed": "Annotated[int, Ge(0), Lt(4294967296)]",
    "out": "str",
    "resume": "str",
    "budget": "int | str | None",
    "init": "Literal['default', 'lsuv']",
    "ops": "Literal['auto', 'fused', 'reference']",
    "allow": "list[str]",
}
RUN_TIME = {
    "data": (),
    "dataset": ("source",),
    "encoding.*": (),
    "loader": ("packed", "shuffle", "seed", "rank", "world"),
    "model": ("spec", "encodings"),
    "aggregation": (),
    "sparsifier": (),
    "pruning": (),
    "model.conv": ("dim",),
    "model.mixer": ("dim",),
    "model.head": ("dim", "depth", "spec"),
    "optimizer": ("params",),
    "scheduler": ("optimizer", "epochs", "maximize"),
    "trainer": (),
    "logger.*": ("folder",),
}
OFFERED = {"aggregation": ("spec", "graphs", "depth"), "sparsifier": ("spec", "graphs", "seed")}
SECTIONS = {path.split(".")[0] for path in RUN_TIME}
LISTS = {path.removesuffix(".*") for path in RUN_TIME if path.endswith(".*")}
REQUIRED = ("data", "dataset", "loader", "model", "optimizer", "scheduler", "trainer")
AT_ONCE = {"data", "dataset", "encoding", "model", "aggregation", "sparsifier", "pruning", "trainer"}
KEYWORDS = ("_target_", "_partial_")


def run_time(path: str) -> tuple[str, ...] | None:
    """The arguments the run hands to the part at `path`; None for a place the run does not know."""
    return RUN_TIME.get(path, RUN_TIME.get(f"{path.rpartition('.')[0]}.*"))


def on_request(path: str) -> tuple[str, ...]:
    """What a part gets if its constructor names it: waiting inside another, the arguments of the part around it."""
    around = RUN_TIME.get(path.rpartition(".")[0], ()) if path in RUN_TIME else ()
    return OFFERED.get(path, around)


def at_once(path: str) -> bool:
    """Whether the run builds the part at `path` in one go, and not as a factory that waits (`_partial_: true`)."""
    parent = path.rpartition(".")[0]
    return (parent if parent in LISTS else path) in AT_ONCE


def choice(path: str, chosen: Mapping[str, Any]) -> str:
    """The part at `path` as typed: "model/conv=gine", "encoding=rwse"; the path itself where nothing is chosen."""
    group = path.replace(".", "/")
    parent, _, option = group.rpartition("/")
    if parent in LISTS:
        return f"{parent}={option}"
    return f"{group}={chosen[group]}" if group in chosen else path


def parts(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping with a `_target_`, outermost first, and its dotted path."""
    if isinstance(node, dict) and "_target_" in node:
        yield path, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from parts(value, f"{path}.{key}" if path else str(key))


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no mapping, and its dotted path."""
    if not isinstance(node, Mapping):
        yield path, node
        return
    for key, value in node.items():
        yield from leaves(value, f"{path}.{key}" if path else str(key))


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The config without Hydra's section as plain containers, interpolations resolved."""
    config = {}
    for key in cfg:
        try:
            if key != "hydra":
                node = None if OmegaConf.is_missing(cfg, key) else cfg[key]
                config[str(key)] = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
        except OmegaConfBaseException as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"{error.full_key or key} cannot be resolved: {reason}") from error
    return config


def typed(value: Any) -> str:
    """A value as it would be typed, strings quoted."""
    return repr(value) if isinstance(value, str) else json.dumps(value, default=str)
