"""What the pages take from the tree when they are built: parts, studies, the README and CONTRIBUTING.

A line `{{ parts model model/conv }}` becomes a table for each of these groups, the same as `python -m gnnlab list`;
`{{ studies }}` the folders of experiments/ and their questions; `{{ file README.md }}` that file.
"""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from gnnlab.config import conf_dir
from gnnlab.config.catalogue import Entry, entries

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "docs/": ""}
PLACE = re.compile(r"^\{\{ (\w+) ?(.*?) \}\}$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs for every page."""
    makers = {"parts": parts, "studies": studies, "file": file}
    return PLACE.sub(lambda place: makers[place[1]](place[2]), markdown)


def groups_of(markdown: str) -> Iterator[str]:
    """The groups whose parts a page lists."""
    for place in PLACE.finditer(markdown):
        if place[1] == "parts":
            yield from place[2].split()


def parts(groups: str) -> str:
    """A table for each group: what to type, what it is, what it needs."""
    found = list(entries(conf_dir()))
    return "\n\n".join(_table(group, [part for part in found if part.group == group]) for group in groups.split())


def _table(group: str, parts: list[Entry]) -> str:
    rows = [f"| {_code(part.name)} | {_said(part)} |" for part in sorted(parts)]
    return "\n".join([f"**`{group}=`**", "", "| option | what it is |", "| --- | --- |", *rows])


def _code(name: str) -> str:
    """The name, which may break after an underscore where the page is narrow."""
    return f"<code>{name.replace('_', '_<wbr>')}</code>"


def _said(part: Entry) -> str:
    needs = f" *Needs {', '.join(need.replace('_', ' ') for need in part.needs)}.*" if part.needs else ""
    return escape(part.text.rstrip(":"), quote=False) + needs


def studies(_: str) -> str:
    """The question of each study: the first line of its README."""
    readmes = sorted((ROOT / "experiments").glob("*/README.md"))
    rows = [f"| `{path.parent.name}` | {path.read_text().partition(chr(10))[0].lstrip('# ')} |" for path in readmes]
    return "\n".join(["| study | question |", "| --- | --- |", *rows])


def file(name: str) -> str:
    """A file of the repository, with its links to other such files and to pages as links between pages."""
    text = (ROOT / name).read_text()
    for other, page in PAGES.items():
        text = text.replace(f"]({other}", f"]({page}")
    return text
