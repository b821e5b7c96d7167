"""Whether a value from a config fits an annotation, both as written: nothing is imported or evaluated."""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gnnlab.config.source import Definition, Module, resolve

SEQUENCES = {"list", "List", "tuple", "Tuple", "set", "Sequence", "Iterable", "Collection"}
MAPPINGS = {"dict", "Dict", "Mapping"}


def accepts(annotation: ast.expr | None, module: Module, value: Any) -> bool:
    """Whether `value` (of YAML: scalar, list, dict or None) fits; what source cannot tell is accepted.

    An int is a float; a bool is no int; a string of digits is no number. A dict with a `_target_` is a
    part yet to be built: it fits where an object or a callable may stand, and is no dict.
    """
    if annotation is None:
        return True
    annotation = _unquoted(annotation)
    if isinstance(annotation, ast.Constant):
        return value is None if annotation.value is None else True
    alternatives = _alternatives(annotation)
    if len(alternatives) > 1:
        return any(accepts(alternative, module, value) for alternative in alternatives)
    name = _name(annotation)
    inner = annotation.slice if isinstance(annotation, ast.Subscript) else None
    if name == "Literal" and inner is not None:
        return value in _values(inner)
    if name == "Annotated" and isinstance(inner, ast.Tuple):
        return accepts(inner.elts[0], module, value) and all(holds(value, limit) for _, holds, limit in _bounds(inner))
    if name in SEQUENCES:
        return isinstance(value, list | tuple) and _items_fit(name, inner, module, value)
    if name in MAPPINGS:
        kinds = inner.elts if isinstance(inner, ast.Tuple) else [None, None]
        is_dict = isinstance(value, Mapping) and "_target_" not in value
        return is_dict and all(accepts(kinds[1], module, item) for item in value.values())
    if name in SCALARS:
        return SCALARS[name](value)
    return _other(annotation, module, value)


def choices(annotation: ast.expr | None, module: Module) -> list[Any]:
    """The values a `Literal` within the annotation lists, aliases followed."""
    if annotation is None:
        return []
    annotation = _unquoted(annotation)
    alternatives = _alternatives(annotation)
    if len(alternatives) > 1:
        return [value for alternative in alternatives for value in choices(alternative, module)]
    if isinstance(annotation, ast.Subscript):
        return _values(annotation.slice) if _name(annotation) == "Literal" else []
    alias = _alias(annotation, module)
    return choices(alias[0], alias[1]) if alias else []


def in_words(annotation: ast.expr, module: Module) -> str:
    """What the annotation takes, as a refusal says it: "int at least 1 or null"."""
    return " or ".join(_one_in_words(one, module) for one in _alternatives(_unquoted(annotation)))


def _one_in_words(annotation: ast.expr, module: Module) -> str:
    alias = _alias(annotation, module)
    if alias:
        return in_words(*alias)
    inner = annotation.slice if isinstance(annotation, ast.Subscript) else None
    if listed := [str(value) for value in choices(annotation, module)]:
        return f"one of {', '.join(listed)}" if len(listed) > 1 else listed[0]
    if _name(annotation) == "Annotated" and isinstance(inner, ast.Tuple):
        bounds = " and ".join(f"{words} {limit}" for words, _, limit in _bounds(inner))
        return f"{in_words(inner.elts[0], module)} {bounds}".rstrip()
    is_none = isinstance(annotation, ast.Constant) and annotation.value is None
    return "null" if is_none else ast.unparse(annotation)


BOUNDS = {
    "Ge": ("at least", operator.ge),
    "Gt": ("above", operator.gt),
    "Le": ("at most", operator.le),
    "Lt": ("below", operator.lt),
}
"""Of annotated-types, as in `Annotated[float, Ge(0), Lt(1)]`."""


def _bounds(annotated: ast.Tuple) -> Iterator[tuple[str, Callable[[Any, Any], bool], Any]]:
    """The bounds after a type: in words, the comparison, the limit. What else is there is not for a check."""
    for call in annotated.elts[1:]:
        bound = call.args[0] if isinstance(call, ast.Call) and call.args else None
        if isinstance(call, ast.Call) and isinstance(bound, ast.Constant) and (name := _name(call.func)) in BOUNDS:
            yield *BOUNDS[name], bound.value


SCALARS = {
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "Callable": lambda value: isinstance(value, Mapping) and "_target_" in value,
    "Any": lambda value: True,
    "object": lambda value: True,
}


def _items_fit(name: str, inner: ast.expr | None, module: Module, value: Any) -> bool:
    if inner is None:
        return True
    kinds = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name.lower() == "tuple" and ast.unparse(kinds[-1]) != "...":
        fits = (accepts(kind, module, item) for kind, item in zip(kinds, value, strict=False))
        return len(kinds) == len(value) and all(fits)
    return all(accepts(kinds[0], module, item) for item in value)


def _other(annotation: ast.expr, module: Module, value: Any) -> bool:
    alias = _alias(annotation, module)
    if alias:
        return accepts(alias[0], alias[1], value)
    found = resolve(module, annotation)
    if not isinstance(found, Definition) or not isinstance(found.node, ast.ClassDef) or found.module.is_stdlib:
        return True
    return isinstance(value, Mapping)


def _alias(annotation: ast.expr, module: Module) -> tuple[ast.expr, Module] | None:
    """What a name such as `Level = Literal["graph", "node"]` stands for, and where."""
    found = resolve(module, annotation)
    if isinstance(found, Definition) and isinstance(found.node, ast.Assign | ast.AnnAssign) and found.node.value:
        is_type = isinstance(found.node.value, ast.Subscript | ast.BinOp | ast.Name)
        return (found.node.value, found.module) if is_type else None
    return None


def _alternatives(annotation: ast.expr) -> list[ast.expr]:
    """The members of `X | Y`, `Union[X, Y]` and `Optional[X]`; else the annotation alone."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return [*_alternatives(annotation.left), *_alternatives(annotation.right)]
    if isinstance(annotation, ast.Subscript) and _name(annotation) == "Union":
        return annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
    if isinstance(annotation, ast.Subscript) and _name(annotation) == "Optional":
        return [annotation.slice, ast.Constant(None)]
    return [annotation]


def _unquoted(annotation: ast.expr) -> ast.expr:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def _name(annotation: ast.expr) -> str:
    head = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return ast.unparse(head).split(".")[-1]


def _values(inner: ast.expr) -> list[Any]:
    items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    return [item.value for item in items if isinstance(item, ast.Constant)]
