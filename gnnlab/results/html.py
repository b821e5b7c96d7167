"""The few HTML elements of the report; all text is escaped here."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Cell:
    """A text, and what it is sorted by if that is not the text: a number, or None for what comes last."""

    text: str
    value: float | str | None = ""
    mark: str = ""

    @property
    def is_number(self) -> bool:
        return self.value is None or isinstance(self.value, int | float)


def table(header: Sequence[str], rows: Sequence[Sequence[Cell]], name: str = "", tall: bool = False) -> str:
    """A table that sorts by a click on its header; `name`: the id by which a search field finds it."""
    numeric = [any(row[i].is_number for row in rows) for i in range(len(header))]
    head = "".join(
        f'<th scope="col"{_class("number" * right)}><button type="button">{escape(text)}</button></th>'
        for text, right in zip(header, numeric, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_td, row, numeric))}</tr>\n" for row in rows)
    box = "scroll tall" if tall else "scroll"
    identity = f' id="{escape(name)}"' if name else ""
    return f'<div class="{box}"><table{identity}><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n'


def section(title: str, *content: str) -> str:
    return f'<section id="{anchor(title)}"><h2>{escape(title)}</h2>\n{"".join(content)}</section>\n'


def anchor(title: str) -> str:
    return escape(title.lower().replace(" ", "-"))


def paragraph(text: str, soft: bool = False) -> str:
    return f"<p{_class('soft' * soft)}>{escape(text)}</p>\n"


def facts(items: Sequence[tuple[str, str]]) -> str:
    listed = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in items)
    return f'<dl class="facts">{listed}</dl>\n'


def figure(svg: str, caption: str) -> str:
    """It may be wider than its place: a keyboard can reach and scroll it."""
    return f'<figure tabindex="0">{svg}<figcaption>{escape(caption)}</figcaption></figure>\n'


def folded(summary: str, text: str, mark: str = "") -> str:
    return (
        f"<details><summary><span{_class(mark)}>{escape(summary)}</span></summary><pre>{escape(text)}</pre></details>\n"
    )


def search(name: str, hint: str) -> str:
    return f'<input type="search" data-of="{escape(name)}" placeholder="{escape(hint)}" aria-label="{escape(hint)}">\n'


def links(titles: Sequence[str]) -> str:
    listed = "".join(f'<a href="#{anchor(title)}">{escape(title)}</a>' for title in titles)
    return f"<nav>{listed}</nav>\n"


def _td(cell: Cell, right: bool) -> str:
    marks = " ".join(filter(None, ("number" * right, cell.mark)))
    value = "" if cell.value == "" else f' data-value="{"" if cell.value is None else escape(str(cell.value))}"'
    return f"<td{_class(marks)}{value}>{escape(cell.text)}</td>"


def _class(names: str) -> str:
    return f' class="{names}"' if names else ""
