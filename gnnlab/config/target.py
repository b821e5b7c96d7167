"""What a `_target_` may name, and where it is defined.

A config may come from anywhere, so it may build no more than the parts of a model: classes of gnnlab and of
libraries of layers, optimizers and metrics. PyG's data sets are not among them, since they unpickle files.
"""

import ast
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from omegaconf import MISSING, DictConfig, OmegaConf

from gnnlab.config.nearest import did_you_mean, nearest
from gnnlab.config.sections import leaves, parts
from gnnlab.config.signature import signature
from gnnlab.config.source import Definition, Missing, find
from gnnlab.errors import UsageError

PACKAGES = ("gnnlab", "torch.nn", "torch.optim", "torch_geometric.nn", "torch_geometric.transforms", "torchmetrics")
PLUGINS = ("gnnlab.results.sweep", "hydra._internal.core_plugins", "hydra_plugins")
LOGGING = ("logging", "colorlog")


def locate(target: Any, where: str, allow: Sequence[str] = ()) -> Definition | None:
    """The definition `target` names: a class, or anything in the packages of `allow`; None where source does not tell.

    Raises `UsageError` if it lies outside `PACKAGES` and `allow`, or certainly does not exist.
    """
    if not within(str(target), (*PACKAGES, *allow)):
        package = str(target).split(".")[0]
        raise UsageError(
            f"{where} names {target}, which lies outside {', '.join(PACKAGES)}; if you trust it, "
            f"add allow=[{package}] to the command (to verify, --allow {package}; in a file it does not count)."
        )
    try:
        definition = find(target)
    except Missing as missing:
        if not missing.where:
            raise UsageError(f"{where} names {target}, but no package {missing.name} is on the Python path.") from None
        near = did_you_mean(nearest(missing.name, missing.known))
        raise UsageError(f"{where} names {target}, but {missing.where} has no '{missing.name}'{near}") from None
    homes = (*PACKAGES, *(package.split(".")[0] for package in allow))
    if definition and not within(f"{definition.module.name}.", homes):
        raise UsageError(f"{where} names {target}, defined in {definition.module.name}, which `allow` does not name.")
    is_class = definition is not None and isinstance(definition.node, ast.ClassDef)
    if not is_class and not within(target, allow):
        why = "is not a class" if definition else "has no Python source to check"
        raise UsageError(f"{where} names {target}, which {why}.")
    return definition


def check_hydra(cfg: DictConfig) -> None:
    """Raise `UsageError` where Hydra's own section names code other than its plugins, our table and logging."""
    made = ("callbacks", "launcher", "sweeper", "hydra_logging", "job_logging")
    runtime = cfg.hydra.runtime
    known = MISSING if OmegaConf.is_missing(runtime, "output_dir") else runtime.output_dir
    runtime.output_dir = "."  # else unknown before the run
    hydra = {key: OmegaConf.to_container(cfg.hydra[key], resolve=True) for key in made if cfg.hydra[key]}
    runtime.output_dir = known
    named = [(f"{path}._target_", part["_target_"], PLUGINS) for path, part in parts(hydra)]
    # the keys by which logging.config names code
    named += [(path, value, LOGGING) for path, value in leaves(hydra) if path.split(".")[-1] in ("()", "class")]
    for path, value, packages in named:
        if not within(str(value), packages):
            raise UsageError(f"hydra.{path} names {value}, which lies outside {', '.join(packages)}.")


def open_sections(node: Any) -> None:
    """Let any key be set in a section whose signature is known, as a default of the signature may be.

    Hydra refuses keys that no file spells out; here the check tells a setting from a typo.
    """
    if not isinstance(node, DictConfig) or node._is_none() or node._is_missing():
        return
    if isinstance(node.get("_target_"), str):
        with suppress(Missing):
            definition = find(node["_target_"])
            found = signature(definition) if definition else None
            if found and not found.open:
                OmegaConf.set_struct(node, False)
    for key, value in node.items_ex(resolve=False):
        if key != "hydra":
            open_sections(value)


def within(target: str, packages: Sequence[str]) -> bool:
    """Whether a dotted name lies in one of the packages."""
    return any(target.startswith(f"{package}.") for package in packages)
