"""Hydra's refusals said again in one sentence, with the nearest name and never the advice to add a typo."""

import re
from collections.abc import Iterable, Iterator, Sequence

from hydra._internal.config_repository import IConfigRepository
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError

from gnnlab.config.nearest import did_you_mean, nearest, nearest_path, paths
from gnnlab.config.sections import LISTS, SECTIONS, VALUES
from gnnlab.errors import UsageError


def refuse_choices(parsed: Sequence[Override], repo: IConfigRepository) -> None:
    """Raise `UsageError` for a sweep in a single run and for groups and options that do not exist."""
    for override in parsed:
        group, value = override.key_or_group, override.value()
        if override.is_sweep_override():
            together = f", or write {group}=[…] to use them together" if group in LISTS else ""
            raise UsageError(f"{override.input_line} asks for several runs: add -m{together}.")
        if override.is_delete() and group in SECTIONS | VALUES.keys():
            instead = f"{group}=[] for none" if group in LISTS else f"{group}=<another> instead"
            raise UsageError(f"{override.input_line}: a run cannot do without {group}; type {instead}.")
        if not repo.group_exists(group):
            if "/" in group:
                raise UsageError(f"There is no group {group}{did_you_mean(nearest(group, groups(repo)))}")
            continue
        if override.is_delete() or isinstance(value, dict):
            continue
        if isinstance(value, list) and group not in LISTS:
            raise UsageError(f"{override.input_line}: {group} takes one choice; to run each of several, use -m.")
        if isinstance(value, list) and (twice := [option for option in value if value.count(option) > 1]):
            raise UsageError(f"{override.input_line} names {twice[0]} twice; each is there once.")
        for option in value if isinstance(value, list) else [value]:
            if not repo.config_exists(f"{group}/{option}"):
                raise no_option(group, str(option), repo.get_group_options(group))


def no_option(group: str, option: str, options: Iterable[str], asker: str = "") -> UsageError:
    known = sorted(options)
    asked = f", which {asker} asks for" if asker else ""
    there_are = f" There are: {', '.join(known)}." if known else ""
    return UsageError(f"There is no {group}={option}{asked}{did_you_mean(nearest(option, known))}{there_are}")


def explain(error: Exception, parsed: Sequence[Override], repo: IConfigRepository | None) -> UsageError:
    """A composition error as a `UsageError`."""
    cause = error.__cause__
    if isinstance(error, OverrideParseException):
        lines = [line for line in error.message.splitlines() if not line.startswith(("Error parsing", "See http"))]
        reason = f"'{error.override}' is not of the form key=value: {lines[0] if lines else 'unreadable'}."
        return UsageError(reason + _in_quotes(str(error.override)))
    asker = re.match(r"In '(.+?)'", str(error))
    if repo and asker and isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        return no_option(group, option, repo.get_group_options(group), f"{asker[1]}.yaml or what overrides it")
    unused = re.search(r"Could not override '(\S+/\S+)'", str(error))
    if unused and cause is None:
        lines = {override.key_or_group: override.input_line for override in parsed}
        group, parent = unused[1], unused[1].rpartition("/")[0]
        owner = lines.get(parent, f"the chosen {parent}")
        if asker:
            file = asker[1].replace("/", "=")
            return UsageError(f"{file} does not fit: it asks for a {group}, and {owner} has none.")
        return UsageError(f"{lines.get(group, group)} has no place: {owner} has no {group}.")
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and cause.parent_node is not None:
        config = OmegaConf.to_container(cause.parent_node._get_root())
        assert isinstance(config, dict)
        known = [path for path in paths(config) if not path.startswith("hydra")]
        near = nearest_path(str(cause.full_key), [*known, *VALUES, *SECTIONS])
        return UsageError(f"There is no setting {cause.full_key}{did_you_mean(near)}")
    lines = [line.strip() for text in (error, cause) if text is not None for line in str(text).splitlines()]
    return UsageError(" ".join([line for line in lines if line and not line.startswith("To append to your")][:3]))


def _in_quotes(override: str) -> str:
    """How an override is typed whose value holds signs that Hydra reads: =, (, ~, …"""
    key, sign, value = override.partition("=")
    if not sign or not re.fullmatch(r"[+~]*[\w/.@-]+", key) or set(value) & set("\"'[]{}"):
        return ""
    if value.startswith("~/"):
        return f" The folder that ~ stands for is $HOME: {key}=$HOME{value[1:]}."
    return f" A text with such signs takes quotes of its own: '{key}=\"{value}\"'."


def groups(repo: IConfigRepository, parent: str = "") -> Iterator[str]:
    """Every config group but Hydra's own."""
    for name in repo.get_group_options(parent, ObjectType.GROUP):
        group = f"{parent}/{name}" if parent else name
        if group != "hydra":
            yield group
            yield from groups(repo, group)
