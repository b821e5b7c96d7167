"""The command line: `train.py`, `gnnlab` and `python -m gnnlab`; with `list`, the parts there are.

Exit codes: 0 all went well, 2 the request was wrong, 1 a run could not go on or met a bug, 130 and 143
interrupted. The jobs of a sweep are composed and checked before the first starts, and one that fails
says why and leaves the others alone.
"""

import logging
import os
import sys
import traceback
from functools import partial
from math import nan
from pathlib import Path
from typing import cast

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from hydra.errors import OverrideParseException, SearchPathException
from omegaconf import DictConfig, OmegaConf

from gnnlab import config
from gnnlab.config import catalogue
from gnnlab.config.composing import installed
from gnnlab.config.nearest import did_you_mean, nearest, nearest_path, paths
from gnnlab.config.sections import plain
from gnnlab.errors import Interrupted, RunStopped, UsageError
from gnnlab.results.sweep import SweepTable
from gnnlab.search import run_trial

notice = logging.getLogger(__name__)


def main() -> int:
    """Do what `sys.argv` asks for; the exit code."""
    codes, told = [0], set()

    def job(cfg: DictConfig) -> float:
        """One run; NaN for one that failed, so that a sweep goes on."""
        from gnnlab.pipeline import objective

        this = cast(DictConfig, HydraConfig.get())
        number = OmegaConf.select(this, "job.num")  # of a job in a sweep
        who = "" if number is None else f"job {number}: "
        if who:
            give_notice()  # a launcher may have made a process for it
            print(who + " ".join(this.overrides.task), flush=True)
            if not any(override.startswith("resume=") for override in this.overrides.task):
                cfg.resume = "auto"  # the same command again runs what is missing
        trial = OmegaConf.select(this, "sweeper.trial")
        if (preset := this.runtime.choices.get("preset", "none")) not in ("none", *told):
            told.add(preset)
            notice.info("Values of preset=%s where you gave none (preset=none: leave it aside).", preset)
        try:
            if trial is not None:
                spared = int(this.sweeper.spare * cfg.trainer.max_epochs)
                return run_trial(Path(this.sweeper.folder), trial, partial(objective, cfg), spared)
            return objective(cfg)
        except Interrupted as error:
            raise SystemExit(report(error, who)) from error  # past Hydra, which would go on with the next job
        except Exception as error:
            codes.append(report(error, who))
            return nan

    give_notice()
    SweepTable.failures = 0
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions come here instead of being printed by Hydra
    try:
        if sys.argv[1:2] == ["list"]:
            catalogue.main(sys.argv[2:], config.conf_dir())
            return 0
        arrange()
        sys.path.append(str(Path(__file__).parent / "plugins"))  # where Hydra looks for a package `hydra_plugins`
        with installed():
            hydra.main(version_base="1.3", config_path=str(config.conf_dir()), config_name="config")(job)()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `--help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # Hydra makes a folder for a sweep
        where = f"Cannot open or make {error.filename!r}: {error.strerror}" if error.filename else str(error)
        codes.append(report(UsageError(f"{where}. Get permission there, or name another place with out=FOLDER.")))
    except SearchPathException as error:
        codes.append(report(UsageError(str(error))))
    except Exception as error:
        codes.append(report(error))
    return max(*codes, min(1, SweepTable.failures))


def give_notice() -> None:
    """Let what gnnlab has to say be seen."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("gnnlab").setLevel(logging.INFO)


def report(error: Exception, who: str = "") -> int:
    """Print a mistake or a stop as its message, once for all processes, or a bug as it is; the exit code."""
    if isinstance(error, UsageError | RunStopped):
        stopped = isinstance(error, RunStopped)
        if os.environ.get("RANK", "0") == "0" or (stopped and error.alone):
            print(f"{'' if stopped else 'error: '}{who}{error}", file=sys.stderr)
        return error.exit_code if stopped else 2
    if who:
        print(f"{who}a bug:", file=sys.stderr)
    traceback.print_exception(error)
    return 1


def arrange() -> None:
    """Put flags before settings in `sys.argv`, as Hydra wants them, and let a sweep name no value twice.

    Raises `UsageError` for `--lr 0.1` and the like, and for a mistyped `list`.
    """
    options, unknown = get_args_parser().parse_known_intermixed_args()
    if unknown:
        settings = [typed for typed in options.overrides if "=" in typed]
        near = nearest_path(unknown[0].lstrip("-").partition("=")[0], paths(plain(config.compose(*settings))))
        raise UsageError(
            f"There is no option {unknown[0]}: settings are typed as key=value, without dashes"
            f"{did_you_mean(near and f'{near}=<value>')}"
        )
    if any(nearest(typed, ["list"]) for typed in options.overrides if "=" not in typed):
        raise UsageError("`python -m gnnlab list` lists the parts there are; settings are typed as key=value.")
    flags = [typed for typed in sys.argv[1:] if typed not in options.overrides]
    sys.argv[1:] = [*flags, *(map(once, options.overrides) if options.multirun else options.overrides)]


def once(typed: str) -> str:
    """`key=a,b,a` with each value once: two jobs that are the same run would meet in its folder."""
    try:
        (override,) = OverridesParser.create().parse_overrides([typed])
    except OverrideParseException:  # refused in words when it is composed
        return typed
    value = override.value()
    if not isinstance(value, ChoiceSweep) or not value.simple_form:
        return typed
    texts = list(override.sweep_string_iterator())
    if len(unique := dict.fromkeys(texts)) == len(texts):
        return typed
    notice.warning("%s names a value twice: it runs once.", typed)
    return f"{typed.partition('=')[0]}={','.join(unique)}"
