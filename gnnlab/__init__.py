"""gnnlab: graph learning where anything plugs into anything, or says why not."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnnlab.config import compose

__version__ = "0.1.0"
__all__ = ["__version__", "compose"]


def __getattr__(name: str) -> Any:
    if name == "compose":
        from gnnlab.config import compose

        return compose
    raise AttributeError(f"module 'gnnlab' has no attribute {name!r}")
