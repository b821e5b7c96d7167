"""The floors of the package: a module imports from its own floor and those below, never from above."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gnnlab

FLOORS = [
    {"errors", "bounds", "files", "ragged", "weights", "batch"},
    {"spec", "labelled_pairs", "config", "search"},
    {"packed", "padding"},
    {"cache", "ops"},
    {"trainer"},
    {"results"},
    {"encodings", "tasks"},
    {"nn"},
    {"models", "datasets", "aggregation", "pruning", "sparsifiers"},
    {"budget"},
    {"prepared"},
    {"trained", "costs"},
    {"pipeline"},
    {"verify", "cli", "plugins", "testing"},
    {"__main__"},
]
FLOOR = {name: height for height, names in enumerate(FLOORS) for name in names}
ROOT = Path(gnnlab.__file__).parent
FILES = [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


def imported(tree: ast.AST) -> Iterator[str]:
    """Modules of gnnlab that the code imports, as dotted names below gnnlab."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix("gnnlab.") for alias in node.names if alias.name.startswith("gnnlab."))
        elif isinstance(node, ast.ImportFrom) and node.module == "gnnlab":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gnnlab."):
            yield str(node.module).removeprefix("gnnlab.")


def at_module_level(tree: ast.Module) -> ast.Module:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return ast.Module([node for node in tree.body if not isinstance(node, functions)], [])


def part(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_imports_from_above(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for name in imported(at_module_level(tree)):
        assert FLOOR[name.split(".")[0]] <= FLOOR[part(path)], f"{path} imports gnnlab.{name}"
    if FLOOR[part(path)] < FLOOR["prepared"]:
        assert not {"prepared", "trained", "pipeline"} & set(imported(tree)), "a part knows nothing of the run"
