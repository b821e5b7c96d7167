"""`python -m gnnlab.results COMMAND FOLDER`: table, compare, plot, ledger, report, status, verify."""

import argparse
import os
import sys
from pathlib import Path
from string import ascii_uppercase

from gnnlab.errors import UsageError
from gnnlab.results.formats import FORMATS
from gnnlab.results.runs import Run, load
from gnnlab.results.table import tabulate


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; the exit code: 0, 1 if a run could not be verified, 2 for a mistake in the request."""
    options = _parser().parse_args(arguments)
    try:
        code = options.run(options)
        sys.stdout.flush()
        return code
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:  # `table runs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        writes = hasattr(options, "file")
        print(f"Cannot write {reason}. Name another place with -o." if writes else reason, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m gnnlab.results", description="Tables and figures over runs, and checks."
    )
    commands = parser.add_subparsers(required=True)
    where = "only runs of which this is true: dataset=zinc,optimizer.lr=0.001"
    tuned = "of the values tried for these keys those with the best mean validation: optimizer.lr"

    table = commands.add_parser("table", help="mean ± std (n) over seeds and folds, a row per configuration")
    table.add_argument("folder", type=Path, help="a folder of runs")
    table.add_argument("--where", metavar="KEY=VALUE,KEY=VALUE", help=where)
    table.add_argument("--tuned", type=_names, default=[], metavar="KEY,KEY", help=tuned)
    rows = "rows by these keys: model,optimizer.lr"
    table.add_argument("--by", type=_names, default=[], metavar="KEY,KEY", help=rows)
    table.add_argument("--columns", type=_names, default=[], metavar="KEY,KEY", help="columns by these keys: dataset")
    table.add_argument("--metric", type=_names, default=[], metavar="NAME,NAME", help="test/mae,val/mae,last/val/mae")
    costs = "numbers of result.json: parameters,seconds,method.sparsity"
    table.add_argument("--costs", type=_names, metavar="NAME,NAME", help=costs)
    table.add_argument("--format", choices=FORMATS, default="markdown")
    table.set_defaults(run=_table)

    compare = commands.add_parser("compare", help="paired tests of a method and others over seeds and folds both have")
    for side in ("a", "b"):
        compare.add_argument(side, help="a folder of runs, or conditions: model=gps,optimizer.lr=0.001")
    compare.add_argument("others", nargs="*", help="more to compare the first with; p-values are corrected for all")
    place = "where conditions look for runs (runs)"
    compare.add_argument("--in", dest="folder", type=Path, default=Path("runs"), metavar="FOLDER", help=place)
    compare.add_argument("--tuned", type=_names, default=[], metavar="KEY,KEY", help=tuned)
    compare.add_argument("--metric", default="test", metavar="NAME", help="test/mae; by default that of the data")
    compare.set_defaults(run=_compare)

    plot = commands.add_parser("plot", help="curves: over epochs; bars: an ablation; pareto: test against cost")
    plot.add_argument("folder", type=Path, help="a folder of runs")
    plot.add_argument("--where", metavar="KEY=VALUE,KEY=VALUE", help=where)
    plot.add_argument("--tuned", type=_names, default=[], metavar="KEY,KEY", help=tuned)
    plot.add_argument("kind", choices=("curves", "bars", "pareto"))
    plot.add_argument("-o", dest="file", type=Path, metavar="FILE", help="KIND.svg by default; .png and .pdf too")
    plot.add_argument("--by", type=_names, default=[], metavar="KEY,KEY", help="one line, bar or point per value")
    plot.add_argument("--metric", metavar="NAME", help="val/mae, train/loss for curves; test/mae for the others")
    plot.add_argument("--cost", metavar="NAME", help="of pareto: parameters, flops_per_graph, seconds, …")
    plot.set_defaults(run=_plot)

    ledger = commands.add_parser("ledger", help="which published values the runs reach, and within how many deviations")
    ledger.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="folders of runs")
    target = ledger.add_argument("-o", dest="file", type=Path, default=Path("ledger.csv"), metavar="FILE")
    target.help = "the table (ledger.csv); its rows of cells that no run here is of stay"
    ledger.set_defaults(run=_ledger)

    report = commands.add_parser("report", help="one HTML page with all of it, to be opened offline")
    report.add_argument("folder", type=Path, help="a folder of runs")
    report.add_argument("--where", metavar="KEY=VALUE,KEY=VALUE", help=where)
    report.add_argument("-o", dest="file", type=Path, default=Path("report.html"), metavar="FILE")
    report.set_defaults(run=_report)

    status = commands.add_parser("status", help="how far the runs are, and what failed")
    status.add_argument("folder", type=Path, help="a folder of runs")
    status.add_argument("--watch", type=float, nargs="?", const=5.0, metavar="SECONDS", help="again and again (5)")
    status.set_defaults(run=_status)

    verify = commands.add_parser("verify", help="re-evaluate the best weights of a run and compare to the digit")
    verify.add_argument("folder", type=Path, help="a run folder")
    packages = "packages of your own that it may import"
    verify.add_argument("--allow", type=_names, default=[], metavar="PACKAGE,PACKAGE", help=packages)
    verify.set_defaults(run=_verify)
    return parser


def _names(text: str) -> list[str]:
    return text.split(",")


def _chosen(options: argparse.Namespace) -> list[Run]:
    """The runs of the folder, those alone of which `--where` is true."""
    from gnnlab.results.compare import select

    runs = load(options.folder)
    return select(runs, options.where) if options.where else runs


def _tuned(runs: list[Run], options: argparse.Namespace) -> list[Run]:
    from gnnlab.results.tuned import tuned

    return tuned(runs, options.tuned) if options.tuned else runs


def _table(options: argparse.Namespace) -> int:
    runs = _tuned(_chosen(options), options)
    table = tabulate(runs, options.by, options.metric, options.columns, options.costs)
    if options.tuned:
        table.rules.append(f"{', '.join(options.tuned)} by the best mean validation")
    print(FORMATS[options.format](table), end="")
    for note in table.pooled if options.format == "csv" else ():  # which has no caption
        print(f"{note}.", file=sys.stderr)
    return 0


def _compare(options: argparse.Namespace) -> int:
    from gnnlab.results.compare import compare, left_out, markdown

    names = [options.a, options.b, *options.others]
    if len(names) > len(ascii_uppercase):
        raise UsageError(f"compare takes up to {len(ascii_uppercase)} methods, and these are {len(names)}.")
    a, *others = (_tuned(_side(text, options.folder), options) for text in names)
    pairs = [(a, other, options.metric, letter) for letter, other in zip(ascii_uppercase[1:], others, strict=False)]
    found = [row for pair in pairs for row in compare(*pair)]
    without = dict.fromkeys(line for pair in pairs for line in left_out(*pair))
    print(markdown(found, names, list(without)), end="")
    return 0


def _side(text: str, folder: Path) -> list[Run]:
    from gnnlab.results.compare import select

    if "=" in text and not Path(text).exists():
        return select(load(folder), text)
    if not Path(text).exists():
        raise UsageError(f"{text!r} is neither a folder nor conditions such as model=gps,optimizer.lr=0.001.")
    return load(Path(text))


def _plot(options: argparse.Namespace) -> int:
    from gnnlab.results.plot import FIGURES
    from gnnlab.results.style import save

    if options.cost and options.kind != "pareto":
        raise UsageError(f"--cost belongs to pareto, not to {options.kind}.")
    chosen = {name: value for name in ("metric", "cost") if (value := getattr(options, name))}
    file = options.file or Path(f"{options.kind}.svg")
    save(FIGURES[options.kind](_tuned(_chosen(options), options), by=options.by, **chosen), file)
    print(file)
    return 0


def _ledger(options: argparse.Namespace) -> int:
    from gnnlab.results.ledger import ledger, merged, summary, write

    rows = merged(ledger([run for folder in options.folders for run in load(folder)]), options.file)
    options.file.parent.mkdir(parents=True, exist_ok=True)
    write(rows, options.file)
    print(summary(rows) + str(options.file))
    return 0


def _report(options: argparse.Namespace) -> int:
    from gnnlab.files import write_text
    from gnnlab.results.report import report

    page = report(_chosen(options), f"Runs in {options.folder.resolve().name}")
    options.file.parent.mkdir(parents=True, exist_ok=True)
    write_text(options.file, page)
    print(options.file)
    return 0


def _status(options: argparse.Namespace) -> int:
    from gnnlab.results.status import show, status, watch

    if options.watch is None:
        print(show(status(load(options.folder))), end="")
    else:
        watch(options.folder, options.watch)
    return 0


def _verify(options: argparse.Namespace) -> int:
    from gnnlab.verify import verify

    return 0 if verify(options.folder, options.allow) else 1


if __name__ == "__main__":
    sys.exit(main())
