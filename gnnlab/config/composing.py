"""How a config is composed: Hydra's loader, with presets, refusals that help, and the check.

Hydra makes its loader in one place; `installed` puts this one there, so that the command line, the jobs
of a sweep, `--cfg job` and `gnnlab.compose` all compose alike.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import hydra._internal.hydra as hydra_main
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra._internal.defaults_list import create_defaults_list
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.default_element import GroupDefault, ResultDefault
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gnnlab.config.check import check
from gnnlab.config.explain import explain, refuse_choices
from gnnlab.config.reading import Repository
from gnnlab.config.sections import LISTS, parts
from gnnlab.config.signature import facts
from gnnlab.config.source import Missing, find
from gnnlab.config.target import check_hydra, open_sections
from gnnlab.config.twins import Jobs, refuse_twin

log = logging.getLogger(__name__)


class ConfigLoader(ConfigLoaderImpl):
    """Hydra's config loader, as gnnlab needs it."""

    _allow: tuple[str, ...] | None = None
    _options: frozenset[str] = frozenset()
    _read: tuple[list[Override], CachingConfigRepository] | None = None

    def __init__(self, config_search_path: ConfigSearchPath) -> None:
        super().__init__(config_search_path)
        self.repository = Repository(config_search_path)
        self._jobs: Jobs = {}

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """Compose; a job's config is checked, the master of a sweep is left to its jobs."""
        is_job = run_mode is RunMode.RUN and config_name is not None
        parsed, repo = [], None
        try:
            parsed, repo = self._parse_overrides_and_create_caching_repo(config_name, overrides)
            if self._allow is None:
                self._allow = _allowed(parsed)
            preset = []
            if is_job:
                refuse_choices(parsed, repo)
                preset = _preset(config_name, parsed, repo)
            self._read = OverridesParser.create().parse_overrides(preset) + parsed, repo
            cfg = super().load_configuration(
                config_name, preset + overrides, run_mode, from_shell, validate_sweep_overrides
            )
            check_hydra(cfg)
        except (HydraException, OmegaConfBaseException, YAMLError) as error:
            raise explain(error, parsed, repo) from error
        finally:
            self._read = None
        if is_job:
            if preset:
                del cfg.hydra.overrides.task[0]
            check(cfg, cfg.hydra.runtime.choices, self._allow, lambda fact: _givers(fact, repo))
        return cfg

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """A job; two of one sweep are never the same run, while a search may propose the same again."""
        cfg = super().load_sweep_config(master_config, sweep_overrides)
        if master_config.hydra.sweeper._target_.endswith(".BasicSweeper"):
            refuse_twin(cfg, sweep_overrides, self._jobs)
        return cfg

    def _parse_overrides_and_create_caching_repo(
        self, config_name: str | None, overrides: list[str]
    ) -> tuple[list[Override], CachingConfigRepository]:
        """What was read for the choice of a preset serves a second time: parsing is most of composing."""
        return self._read or super()._parse_overrides_and_create_caching_repo(config_name, overrides)

    def _compose_config_from_defaults_list(self, defaults: list[ResultDefault], repo: IConfigRepository) -> DictConfig:
        self._options = frozenset(default.config_path for default in defaults if default.config_path)
        cfg = super()._compose_config_from_defaults_list(defaults, repo)
        for group in sorted(LISTS - cfg.keys()):
            cfg[group] = {}  # encoding=[] is encoding=none
        open_sections(cfg)
        return cfg

    def _load_single_config(self, default: ResultDefault, repo: IConfigRepository) -> ConfigResult:
        """What a file sets for an option of its own choosing counts only while that option is chosen."""
        result = super()._load_single_config(default, repo)
        assert default.config_path is not None
        folder, _, name = default.config_path.rpartition("/")
        for choice in result.defaults_list or ():
            if isinstance(choice, GroupDefault) and choice.override and choice.group:
                group = choice.group[1:] if choice.group.startswith("/") else f"{folder}/{choice.group}"
                options = choice.value if isinstance(choice.value, list) else [choice.value]
                for option in options:
                    if f"{group}/{option}" not in self._options:
                        section = group.replace("/", ".") + (f".{option}" if options is choice.value else "")
                        dropped = _drop(result.config, section)
                        if dropped and folder == "experiment":
                            log.warning("experiment=%s sets %s for %s=%s alone.", name, dropped, group, option)
        return result


@contextmanager
def installed() -> Iterator[None]:
    """Within, Hydra composes with `ConfigLoader`."""
    hydra_main.ConfigLoaderImpl = ConfigLoader  # pyright: ignore[reportPrivateImportUsage]
    try:
        yield
    finally:
        hydra_main.ConfigLoaderImpl = ConfigLoaderImpl  # pyright: ignore[reportPrivateImportUsage]


def _preset(config_name: str | None, parsed: list[Override], repo: IConfigRepository) -> list[str]:
    """`preset=<model>_<dataset>` where there is such a preset and nothing chose another."""
    if any(override.key_or_group == "preset" for override in parsed):
        return []
    chosen = create_defaults_list(repo, config_name, parsed, prepend_hydra=True, skip_missing=False).overrides
    name = f"{chosen.known_choices.get('model')}_{chosen.known_choices.get('dataset')}"
    wanted = "preset" not in chosen.override_choices and repo.config_exists(f"preset/{name}")
    return [f"preset={name}"] if wanted else []


def _allowed(parsed: Sequence[Override]) -> tuple[str, ...]:
    """The packages of `allow=[…]` as typed: a file cannot widen them, nor can the jobs of a sweep."""
    values = [override.value() for override in parsed if override.key_or_group == "allow"]
    return tuple(package for value in values if isinstance(value, list) for package in value)


def _givers(fact: str, repo: IConfigRepository) -> list[str]:
    """The dataset, loader, model, mixer and encoding options that give `fact`, as typed."""
    found = []
    for group in ("dataset", "loader", "model", "model/mixer", "encoding"):
        for option in repo.get_group_options(group):
            if (group, option) == ("encoding", fact):
                found.append(f"{group}={option}")
            result = repo.load_config(f"{group}/{option}")
            for _, part in parts(OmegaConf.to_container(result.config) if result else None):
                with suppress(Missing):
                    definition = find(part["_target_"])
                    if definition and fact in facts(definition, "gives"):
                        found.append(f"{group}={option}")
    return found


def _drop(config: Any, section: str) -> str:
    """Without the settings of `section`; the names of those there were."""
    parent, _, key = section.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    settings = node.pop(key, None) if isinstance(node, DictConfig) else None
    return ", ".join(f"{section}.{name}" for name in settings) if isinstance(settings, DictConfig) else ""
