"""The check of a config's root: its values, and which sections there are."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnnlab.config.annotation import accepts, choices, in_words
from gnnlab.config.nearest import did_you_mean, nearest, nearest_path, paths
from gnnlab.config.sections import LISTS, REQUIRED, SECTIONS, VALUES, choice, typed
from gnnlab.config.signature import Parameter
from gnnlab.config.source import Module
from gnnlab.errors import UsageError


def check_root(config: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
    """Known keys only, the required sections there, and every section chosen and not just set."""
    for key, value in config.items():
        if key in VALUES:
            check_value(key, value, Parameter(Module("", None), ast.parse(VALUES[key], mode="eval").body, True), key)
        elif key not in SECTIONS:
            near = nearest(key, [*VALUES, *SECTIONS]) or nearest_path(key, set(paths(config)) - {key})
            raise UsageError(f"Nothing reads {key}{did_you_mean(near)}")
    for key in VALUES.keys() - config.keys():
        raise UsageError(f"The config has no {key}; set it: {key}=<value>.")
    check_resume(config["resume"])
    if config["budget"] is not None:
        num_parameters(config["budget"])
    for key in REQUIRED:
        if not config.get(key):
            raise UsageError(f"The config has no {key}; choose one: {key}=<name>.")
    for key in SECTIONS & config.keys():
        section = config[key] or {}
        entries = {f"{key}.{name}": entry for name, entry in section.items()} if key in LISTS else {key: section}
        for path, entry in entries.items():
            if entry and "_target_" not in entry:
                raise UsageError(f"{choice(path, chosen)} is not chosen, yet {path}.{next(iter(entry))} is set.")


def check_resume(resume: str) -> None:
    """A word or a path, and not nearly a word."""
    words = ("never", "auto")
    near = nearest(resume, words)
    if near and resume not in words and not Path(resume).exists():
        raise UsageError(f"resume={resume} is neither never, nor auto, nor a run folder{did_you_mean(near)}")


def num_parameters(budget: str | int) -> int:
    """500000, "500k" or "1.5M" as a number. Raises `UsageError` for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kM]?)", str(budget))
    number = float(found[1]) * {"": 1, "k": 1e3, "M": 1e6}[found[2]] if found else 0
    if number < 1:
        raise UsageError(f"budget={budget} is not a number of parameters: write 500000, 500k or 1.5M.")
    return int(number)


def check_value(place: str, value: Any, parameter: Parameter, name: str) -> None:
    """The value fits the parameter's annotation."""
    annotation, module = parameter.annotation, parameter.module
    if annotation is None or value == "???" or accepts(annotation, module, value):
        return
    near = nearest(str(value), [str(item) for item in choices(annotation, module)])
    wanted = in_words(annotation, module)
    raise UsageError(f"{place}={typed(value)} does not fit: {name} takes {wanted}{did_you_mean(near)}")
