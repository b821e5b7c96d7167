"""How the numbers of a `Table` are written, whatever it is printed as."""

from collections.abc import Iterable, Sequence
from statistics import mean, stdev

from gnnlab.results.keys import unique
from gnnlab.results.published import Match
from gnnlab.results.table import Row, Table

SHORT = {"graphs_per_second": "graphs/s", "flops_per_graph": "FLOPs/graph", "peak_memory_mb": "MB", "seconds": "s"}


def grid(table: Table) -> tuple[list[str], list[list[str]]]:
    """The header and the rows as texts, published values right of ours."""
    beside = published(table)

    def texts(row: Row) -> Iterable[str]:
        yield from row.labels
        for name in table.metrics:
            yield score(row.values[name])
            if name in beside:
                yield reference(row.published.get(name))
        for name in table.costs:
            yield cost(row.costs[name])

    return header(table), [list(texts(row)) for row in table.rows]


def header(table: Table) -> list[str]:
    """The names of the columns, published values right of ours."""
    beside = published(table)
    names = [[name, "published"] if name in beside else [name] for name in table.metrics]
    return [*table.labels, *(name for pair in names for name in pair), *(_short(name) for name in table.costs)]


def caption(table: Table) -> str:
    """What the numbers are: the statistic, the rule, what all rows share, and where published values come from."""
    matches = unique(match for row in table.rows for match in row.published.values())
    shared = ", ".join(f"{key} {text}" for key, text in table.constant.items())
    said = [
        f"Throughout: {shared}. " if shared else "",
        "; ".join(["Mean ± sample standard deviation (runs)", *table.rules, *table.pooled]) + ".",
    ]
    if matches:
        said.append(f" Published: {'; '.join(unique(match.cell.source for match in matches))}.")
    if any(not match.cell.verified for match in matches):
        said.append(" *: not verified against the source.")
    if any(not match.exact for match in matches):
        said.append(" †: our setting is not known to be the published one.")
    return "".join(said)


def published(table: Table) -> set[str]:
    """The metrics that have a published value in some row."""
    return {name for row in table.rows for name in row.published}


def statistics(values: Sequence[float]) -> tuple[float | None, float | None, int]:
    """Mean, sample standard deviation and number, as far as there are."""
    return mean(values) if values else None, stdev(values) if len(values) > 1 else None, len(values)


def score(values: Sequence[float]) -> str:
    center, spread, n = statistics(values)
    if center is None:
        return "–"
    return f"{center:.4f} ({n})" if spread is None else f"{center:.4f} ± {spread:.4f} ({n})"


def reference(match: Match | None) -> str:
    if match is None:
        return ""
    return match.cell.text + "*" * (not match.cell.verified) + "†" * (not match.exact)


def cost(values: Sequence[float]) -> str:
    """The mean of a measured cost; of a count that is not the same for all runs, from where to where it goes."""
    if not values:
        return "–"
    if all(value == int(value) for value in values):
        return "–".join(f"{int(value):,}" for value in sorted({min(values), max(values)}))
    return f"{mean(values):,.0f}" if abs(mean(values)) >= 100 else f"{mean(values):.4g}"


def _short(title: str) -> str:
    place, _, name = title.rpartition(" ")
    return f"{place} {SHORT.get(name, name)}".strip()
