"""gnnlab: graph learning where anything plugs into anything, or says why not."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnnlab.config import build, compose
    from gnnlab.pipeline import run
    from gnnlab.prepared import prepare
    from gnnlab.results.frame import frame
    from gnnlab.trained import load

__version__ = "0.1.0"
__all__ = ["__version__", "build", "compose", "frame", "load", "prepare", "run"]

_HOMES = {"build": "config", "compose": "config", "frame": "results.frame"}
_HOMES |= {"load": "trained", "prepare": "prepared", "run": "pipeline"}
"""The module of each name, imported when it is first asked for: what composes or refuses a config imports no torch."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"gnnlab.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'gnnlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
