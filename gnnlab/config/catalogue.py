"""`python -m gnnlab list [GROUP …] [--config-dir FOLDER]`: every part by name, what it is, and what it needs."""

import argparse
import ast
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from textwrap import shorten
from typing import NamedTuple

import yaml

from gnnlab.config.nearest import did_you_mean, nearest
from gnnlab.config.sections import parts
from gnnlab.config.signature import facts
from gnnlab.config.source import Definition, Missing, find
from gnnlab.errors import UsageError

WIDTH = 150


class Entry(NamedTuple):
    """An option of a group, in words."""

    group: str
    name: str
    text: str
    needs: tuple[str, ...]


def main(arguments: Sequence[str], conf: Path) -> None:
    """Print the parts of the groups that are named, or of all. Raises `UsageError` for a group that does not exist."""
    parser = argparse.ArgumentParser(prog="python -m gnnlab list", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="model, model/conv, encoding, dataset, …")
    parser.add_argument("--config-dir", type=Path, help="a folder with parts of your own")
    chosen = parser.parse_args(arguments)
    if chosen.config_dir and not chosen.config_dir.is_dir():
        raise UsageError(f"--config-dir {chosen.config_dir}: there is no such folder.")
    folders = [conf, *([chosen.config_dir] if chosen.config_dir else [])]
    found = [entry for folder in folders for entry in entries(folder)]
    groups = sorted({entry.group for entry in found})
    for group in chosen.groups:
        if group not in groups:
            options = {entry.name: f"{entry.group}, which has {entry.name}" for entry in found}
            near = nearest(group, groups) or options.get(nearest(group, options) or "")
            raise UsageError(f"There is no group {group}{did_you_mean(near)}")
    for group in chosen.groups or groups:
        print(f"\n{group}")
        for entry in sorted(entry for entry in found if entry.group == group):
            needs = f" [needs {', '.join(entry.needs)}]" if entry.needs else ""
            print(f"  {entry.name:<22} {shorten(entry.text, WIDTH - len(needs), placeholder=' …')}{needs}")


def entries(conf: Path) -> Iterator[Entry]:
    """The options that the YAML files under `conf` offer."""
    for path in sorted(conf.rglob("*.yaml")):
        group = path.parent.relative_to(conf).as_posix()
        if group == ".":
            continue
        source = path.read_text(encoding="utf-8")
        try:
            built = [part for _, part in parts(yaml.safe_load(source) or {})]
        except yaml.YAMLError as error:
            raise UsageError(f"{path} is not YAML: {str(error).splitlines()[0]}.") from error
        definition = _definition(str(built[0]["_target_"])) if built else None
        text = _header(source) or (_docstring(definition) if definition else "")
        yield Entry(group, path.stem, text, facts(definition, "needs") if definition else ())


def _definition(target: str) -> Definition | None:
    with suppress(Missing):
        return find(target)
    return None


def _header(source: str) -> str:
    """The first sentence of the comment that a file begins with, if it does."""
    lines = [line for line in source.splitlines() if not line.startswith("# @package")]
    comment = " ".join(line.removeprefix("# ") for line in takewhile(lambda line: line.startswith("# "), lines))
    return re.split(r"(?<=[.]) (?=[A-Z])", comment)[0]


def _docstring(definition: Definition) -> str:
    node = definition.node
    text = ast.get_docstring(node) if isinstance(node, ast.ClassDef | ast.FunctionDef) else None
    return (text or "").partition("\n")[0]
