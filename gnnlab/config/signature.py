"""The signature a `_target_` is called with, and the facts its class declares, read from source.

A constructor's signature is the schema of its section: names, annotations, which arguments must be
given. Classes with `__init__`, dataclasses and functions are understood, through re-exports and bases.
"""

import ast
from dataclasses import dataclass, field
from typing import Any

from gnnlab.config.source import Definition, Module, resolve
from gnnlab.errors import UsageError


@dataclass(frozen=True)
class Parameter:
    """One argument; `module` is where its annotation's names are looked up."""

    module: Module
    annotation: ast.expr | None
    required: bool


@dataclass(frozen=True)
class Signature:
    """Parameters by name; an `open` signature takes any further keyword."""

    parameters: dict[str, Parameter] = field(default_factory=dict)
    open: bool = False


def signature(definition: Definition) -> Signature | None:
    """How the definition is called; None where source does not tell."""
    if isinstance(definition.node, ast.FunctionDef):
        return _of_function(definition.module, definition.node)
    if isinstance(definition.node, ast.ClassDef):
        return _of_class(definition.module, definition.node)
    return None


def facts(definition: Definition, name: str) -> tuple[str, ...]:
    """The class attribute `name` ("needs" or "gives"), a literal tuple, own or inherited."""
    found = literal(definition, name) or ()
    if not isinstance(found, tuple) or not all(isinstance(fact, str) for fact in found):
        raise UsageError(f"{_place(definition, name)} must be a tuple of strings.")
    return found


def literal(definition: Definition, name: str) -> Any:
    """The value of the class attribute `name`, own or inherited; None where there is none."""
    if not isinstance(definition.node, ast.ClassDef):
        return None
    value = _attribute(definition.node, name)
    if value is None:
        found = (literal(base, name) for base in _bases(definition.module, definition.node) if base)
        return next((inherited for inherited in found if inherited), None)
    try:
        return ast.literal_eval(value)
    except ValueError:
        place = _place(definition, name)
        raise UsageError(f"{place} must be a literal: it is read without importing the module.") from None


def _place(definition: Definition, name: str) -> str:
    return f"{definition.module.name}.{getattr(definition.node, 'name', '')}.{name}"


def _of_function(module: Module, node: ast.FunctionDef, bound: bool = False) -> Signature:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    optional = len(positional) - len(arguments.defaults)
    parameters = {arg.arg: Parameter(module, arg.annotation, i < optional) for i, arg in enumerate(positional)}
    for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        parameters[arg.arg] = Parameter(module, arg.annotation, default is None)
    if bound:
        del parameters[positional[0].arg]
    return Signature(parameters, open=arguments.kwarg is not None)


def _of_class(module: Module, node: ast.ClassDef) -> Signature | None:
    inits = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
    if inits:
        return _of_function(module, inits[-1], bound=True)
    if _is_dataclass(node):
        return Signature(_fields(module, node))
    for base in _bases(module, node):
        inherited = signature(base) if base else None
        if inherited is None or inherited.parameters or inherited.open:
            return inherited
    return Signature()


def _fields(module: Module, node: ast.ClassDef) -> dict[str, Parameter]:
    """A dataclass's `__init__` arguments: those of its bases first."""
    fields: dict[str, Parameter] = {}
    for base in reversed(_bases(module, node)):
        if base and isinstance(base.node, ast.ClassDef) and _is_dataclass(base.node):
            fields |= _fields(base.module, base.node)
    for item in node.body:
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        kind = ast.unparse(item.annotation)
        options = _field_options(item.value)
        if "ClassVar" in kind or "KW_ONLY" in kind or options.get("init") == "False":
            fields.pop(item.target.id, None)
            continue
        required = item.value is None or (_is_field(item.value) and not options.keys() & {"default", "default_factory"})
        fields[item.target.id] = Parameter(module, item.annotation, required)
    return fields


def _bases(module: Module, node: ast.ClassDef) -> list[Definition | None]:
    """The base classes; None for one whose source is not found; bases without arguments of ours are left out."""
    bases = []
    for expression in node.bases:
        base = resolve(module, expression)
        home = base.module if isinstance(base, Definition) else base
        if (home and home.is_stdlib) or ast.unparse(expression) == "object":
            continue
        bases.append(base if isinstance(base, Definition) else None)
    return bases


def _attribute(node: ast.ClassDef, name: str) -> ast.expr | None:
    for item in node.body:
        targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
        if isinstance(item, ast.Assign | ast.AnnAssign) and any(
            isinstance(target, ast.Name) and target.id == name for target in targets
        ):
            return item.value
    return None


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any(ast.unparse(item).split("(")[0].endswith("dataclass") for item in node.decorator_list)


def _is_field(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] == "field"


def _field_options(value: ast.expr | None) -> dict[str, str]:
    if not isinstance(value, ast.Call) or not _is_field(value):
        return {}
    return {keyword.arg: ast.unparse(keyword.value) for keyword in value.keywords if keyword.arg}
