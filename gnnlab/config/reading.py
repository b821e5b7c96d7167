"""Composing reads the same files again and again, in a sweep or a session: each is parsed once in a process.

Hydra parses them each time. It also makes, in every file, a map for interpolated defaults, such as `preset: ${model}`;
here only the files that have some pay for it.
"""

import copy
import os
from typing import Any

from hydra._internal import defaults_list
from hydra._internal.config_repository import ConfigRepository
from hydra.core.default_element import InputDefault
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource

_read: dict[tuple[str, str], tuple[object, ConfigResult]] = {}
_interpolation_map = defaults_list._create_interpolation_map


class Repository(ConfigRepository):
    """Hydra's, where a file is read again only after it has changed."""

    def load_config(self, config_path: str) -> ConfigResult | None:
        source = self._find_object_source(config_path, ObjectType.CONFIG)
        version = source and _version(source, config_path)
        if source is None or version is None:
            return super().load_config(config_path)
        key = f"{source.provider} {source.path}", config_path
        if _read.get(key, (None,))[0] != version:
            result = super().load_config(config_path)
            assert result is not None
            _read[key] = version, result
        return copy.deepcopy(_read[key][1])


def _version(source: ConfigSource, config_path: str) -> object:
    """What changes with a file; None for what is not of a folder."""
    if source.path == "hydra.conf":
        return "installed"
    if source.scheme() != "file":
        return None
    found = os.stat(os.path.join(source.path, source._normalize_file_name(config_path)))
    return found.st_mtime_ns, found.st_size, found.st_ino


def _map_if_used(overrides: Any, defaults: list[InputDefault], self_added: bool) -> Any:
    asked = any(default.is_interpolation() for default in defaults)
    return _interpolation_map(overrides, defaults, self_added) if asked else None


defaults_list._create_interpolation_map = _map_if_used
