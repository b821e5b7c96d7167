"""The documentation agrees with the code: its nouns, its parts, the names it describes, the examples it shows."""

import importlib.util
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from gnnlab.config import conf_dir
from gnnlab.config.catalogue import entries

ROOT = Path(__file__).parents[1]
NOUNS = "dataset encoding layer model aggregation sparsifier task trainer op result study".split()
CHAPTERS = [*NOUNS, "config", "laws"]
PAGES = {path.stem: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
LISTED = list(entries(conf_dir()))
loaded = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
assert loaded is not None
assert loaded.loader is not None
hooks = importlib.util.module_from_spec(loaded)
loaded.loader.exec_module(hooks)


def test_help_names_every_part_that_list_names() -> None:
    command = [sys.executable, str(ROOT / "train.py"), "--help"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    choices = printed.partition("\nSettings")[0]
    offered = dict(re.findall(r"^([\w/]+): (.*)$", choices, re.MULTILINE))
    for group in {entry.group for entry in LISTED if not entry.group.startswith("hydra/")}:
        assert offered[group].split(", ") == sorted(entry.name for entry in LISTED if entry.group == group)


def test_every_noun_has_its_page() -> None:
    pages = re.findall(r"(\w+)\.md", str(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(pages) == sorted(PAGES) == sorted([*CHAPTERS, "index", "contributing"])


def test_every_group_is_on_one_page_and_no_part_is_missing() -> None:
    groups = [group for text in PAGES.values() for group in hooks.groups_of(text)]
    assert sorted(groups) == sorted({entry.group for entry in LISTED})
    built = "\n".join(hooks.on_page_markdown(text) for text in PAGES.values()).replace("<wbr>", "")
    for entry in LISTED:
        assert f"| <code>{entry.name}</code> |" in built


def test_no_place_is_left_open() -> None:
    assert not [name for name, text in PAGES.items() if "{{" in hooks.on_page_markdown(text)]


def test_the_table_of_studies_has_their_first_lines() -> None:
    table = (ROOT / "experiments" / "README.md").read_text()
    rows = re.findall(r"^\| \[(\w+)\]\(\1/README\.md\) \| (.*) \|$", table, re.MULTILINE)
    assert sorted(rows) == re.findall(r"^\| `(\w+)` \| (.*) \|$", hooks.studies(""), re.MULTILINE)


@pytest.mark.parametrize("name", re.findall(r"^::: (\S+)", "\n".join(PAGES.values()), re.MULTILINE))
def test_every_name_described_exists(name: str) -> None:
    module, _, member = name.rpartition(".")
    assert getattr(import_module(module), member, None) or import_module(name)


def test_the_examples_run(tmp_path: Path) -> None:
    """One after the other in one process, in the order of the pages."""
    examples = [code for page in CHAPTERS for code in re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL)]
    assert len(examples) == len(CHAPTERS)
    code = f"for example in {examples}: exec(example, {{}})"
    place = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_attribute_of_a_part_is_described() -> None:
    """Those that `getattr(…, default)` asks modules for by name, and no others than there are."""
    source = "\n".join(path.read_text() for path in (ROOT / "gnnlab").rglob("*.py"))
    asked = set(re.findall(r'getattr\((?:module|model|part|layer|site|self\.head), "([a-z_]+)", ', source)) - {
        "layers",
        "__mro__",
    }
    described = set(re.findall(r"^\| `(\w+)` \|", PAGES["laws"], re.MULTILINE))
    assert asked | {"gives", "needs"} <= described
    assert all(re.search(rf"\b{name}: ClassVar|\b{name} = ", source) for name in described)


def test_every_fact_is_described() -> None:
    from gnnlab.config.check import DATASET_FACTS, LOADER_FACTS, MODEL_FACTS

    for fact in (*DATASET_FACTS, *LOADER_FACTS, *MODEL_FACTS):
        assert f"`{fact}`" in PAGES["laws"]


def test_every_op_is_described() -> None:
    from gnnlab import ops

    for name in set(ops.__all__) - {"Around", "track", "clip_grad_norm_", "dot_products", "gat", "degree"}:
        assert re.search(rf"^::: gnnlab\.ops\.\w+\.{name}$", PAGES["op"], re.MULTILINE), name
