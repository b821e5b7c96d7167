"""`python -m gnnlab.results table FOLDER` and `python -m gnnlab.results verify RUN`."""

import argparse
import sys
from pathlib import Path

from gnnlab.errors import UsageError
from gnnlab.results.formats import FORMATS
from gnnlab.results.runs import load
from gnnlab.results.table import tabulate


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; the exit code: 0, 1 if a run could not be verified, 2 for a mistake in the request."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m gnnlab.results", description="Tables over runs, and checks of runs.")
    commands = parser.add_subparsers(required=True)

    table = commands.add_parser("table", help="mean ± std (n) over seeds and folds, a row per configuration")
    table.add_argument("folder", type=Path, help="a folder of runs")
    table.add_argument(
        "--by", type=_names, default=[], metavar="KEY,KEY", help="rows by these keys: model,optimizer.lr"
    )
    table.add_argument("--metric", type=_names, default=[], metavar="NAME,NAME", help="test/mae,val/mae,last/val/mae")
    table.add_argument("--format", choices=FORMATS, default="markdown")
    table.set_defaults(run=_table)

    verify = commands.add_parser("verify", help="re-evaluate the best weights of a run and compare to the digit")
    verify.add_argument("folder", type=Path, help="a run folder")
    verify.add_argument(
        "--allow", type=_names, default=[], metavar="PACKAGE,PACKAGE", help="packages of your own that it may import"
    )
    verify.set_defaults(run=_verify)
    return parser


def _names(text: str) -> list[str]:
    return text.split(",")


def _table(options: argparse.Namespace) -> int:
    table = tabulate(load(options.folder), options.by, options.metric)
    print(FORMATS[options.format](table), end="")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from gnnlab.verify import verify

    return 0 if verify(options.folder, options.allow) else 1


if __name__ == "__main__":
    sys.exit(main())
