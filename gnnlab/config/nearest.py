"""Did you mean: the known name nearest to a mistyped one."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, or None where none does."""
    by_lower = {word.lower(): word for word in known}
    found = get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def nearest_path(path: str, known: Iterable[str]) -> str | None:
    """The dotted path most like `path`: a sibling first, else a key of nearly the same name anywhere."""
    parent, _, name = path.rpartition(".")
    by_name: dict[str, str] = {}
    siblings: dict[str, str] = {}
    for other in known:
        place, _, leaf = other.rpartition(".")
        by_name.setdefault(leaf, other)
        if place == parent:
            siblings[leaf] = other
    for names in (siblings, by_name):
        found = nearest(name, names)
        if found is not None:
            return names[found]
    return None


def paths(node: Mapping[Any, Any], prefix: str = "") -> Iterator[str]:
    """Every dotted path of a nested mapping."""
    for key, value in node.items():
        path = f"{prefix}{key}"
        yield path
        if isinstance(value, Mapping):
            yield from paths(value, f"{path}.")


def did_you_mean(name: str | None) -> str:
    """The clause that ends a refusal: "; did you mean lr?", or nothing."""
    return f"; did you mean {name}?" if name else "."
