"""Composing a config, checking it, and building its parts. Nothing here imports torch."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from omegaconf import DictConfig, open_dict

from gnnlab.config.hashing import config_hash
from gnnlab.errors import UsageError

__all__ = ["build", "compose", "conf_dir", "config_hash"]


def conf_dir() -> Path:
    """The folder of config files: inside the package where it is installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def compose(*overrides: str, config_dir: str | Path | None = None) -> DictConfig:
    """The checked config of `python train.py <overrides>`, from any folder.

    `config_dir` is a further folder of config files. Raises `UsageError`.
    """
    from hydra import version
    from hydra._internal.utils import create_config_search_path
    from hydra.core.config_search_path import SearchPathQuery
    from hydra.core.utils import setup_globals
    from hydra.types import RunMode

    from gnnlab.config.asked import keep
    from gnnlab.config.composing import ConfigLoader

    version.setbase("1.3")
    setup_globals()
    search_path = create_config_search_path(str(conf_dir()))
    if config_dir is not None:
        folder = Path(config_dir).resolve()
        if not folder.is_dir():
            raise UsageError(f"There is no folder {folder}.")
        search_path.prepend("config_dir", f"file://{folder}", SearchPathQuery(provider="schema"))
    cfg = ConfigLoader(search_path).load_configuration("config", list(overrides), RunMode.RUN, from_shell=False)
    with open_dict(cfg):
        keep(cfg, cfg.pop("hydra"))
    return cfg


def build(section: DictConfig, offered: Mapping[str, Any] = MappingProxyType({}), **runtime: Any) -> Any:
    """What a section's `_target_` makes with its values and the run-time arguments.

    A section with `_partial_: true` gives a callable that waits for the rest. Run-time arguments reach
    the constructor as they are, and the factories among its values that name them too: a conv with an
    argument `spec` gets the model's. What is `offered` reaches a constructor that names it. Raises
    `UsageError` where the constructor refuses a value or a type.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    def make(*args: Any, **kwargs: Any) -> Any:
        with refusals(section):
            return made(*args, **{**runtime, **kwargs})

    with refusals(section):
        try:
            made = instantiate(section, _convert_="all", _partial_=True)
        except InstantiationException as error:
            raise error.__cause__ or error from None
        for name, factory in made.keywords.items():
            if isinstance(factory, partial):
                asked = runtime.keys() & inspect.signature(factory.func).parameters.keys()
                made.keywords[name] = partial(factory, **{argument: runtime[argument] for argument in asked})
        asked = offered.keys() & inspect.signature(made.func).parameters.keys() if offered else ()
        runtime |= {argument: offered[argument] for argument in asked}
    return make if section.get("_partial_") else make()


@contextmanager
def refusals(section: DictConfig) -> Iterator[None]:
    """Within it, a `ValueError` or `TypeError` of a constructor is a mistake in `section`."""
    try:
        yield
    except (TypeError, ValueError) as error:
        name = section._get_full_key(None) or "This"
        raise UsageError(f"{name} does not fit: {section._target_} says: {error}") from error
