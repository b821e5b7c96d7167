"""What a `_target_` may name, and where it is defined."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gnnlab.config.nearest import did_you_mean, nearest
from gnnlab.config.sections import leaves
from gnnlab.config.signature import signature
from gnnlab.config.source import Definition, Missing, find
from gnnlab.errors import UsageError

PACKAGES = ("gnnlab", "torch.nn", "torch.optim", "torch_geometric", "torchmetrics")
HYDRA_PACKAGES = ("gnnlab", "hydra", "hydra_plugins", "logging", "colorlog")


def locate(target: Any, where: str, allow: Sequence[str] = ()) -> Definition | None:
    """The definition `target` names; None where source does not tell.

    Raises `UsageError` if it lies outside our packages and `allow`, or certainly does not exist.
    """
    if not _within(str(target), (*PACKAGES, *allow)):
        package = str(target).split(".")[0]
        raise UsageError(
            f"{where} names {target}, which lies outside {', '.join(PACKAGES)}; if you trust it, "
            f"add allow=[{package}] to the command (in a file it does not count)."
        )
    try:
        definition = find(target)
    except Missing as missing:
        if not missing.where:
            raise UsageError(f"{where} names {target}, but no package {missing.name} is on the Python path.") from None
        near = did_you_mean(nearest(missing.name, missing.known))
        raise UsageError(f"{where} names {target}, but {missing.where} has no '{missing.name}'{near}") from None
    homes = [package.split(".")[0] for package in (*PACKAGES, *allow)]
    if definition and not _within(f"{definition.module.name}.", homes):
        raise UsageError(f"{where} names {target}, which is borrowed from {definition.module.name}.")
    return definition


def check_hydra(cfg: DictConfig) -> None:
    """Raise `UsageError` where Hydra's own section names code that is neither Hydra's nor ours."""
    for path, value in leaves(OmegaConf.to_container(cfg.hydra)):
        if path.split(".")[-1] in ("_target_", "()", "class") and not _within(str(value), HYDRA_PACKAGES):
            raise UsageError(f"hydra.{path} names {value}, which lies outside {', '.join(HYDRA_PACKAGES)}.")


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


def _within(target: str, packages: Sequence[str]) -> bool:
    return any(target.startswith(f"{package}.") for package in packages)
