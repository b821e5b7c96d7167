"""An all-pairs covering array: few rows in which any two options of different groups stand together once.

It is made row by row and greedily, so that it learns on the way: a pair that is refused is asked for once, and the
further rows keep its two options apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

Option = tuple[str, str]
Row = dict[str, str]
UNSET = ""
"""An option that is allowed and not asked for: the group is left as it is."""


class Covering:
    """Iterate over rows {group: option}, and say of each whether it was `covered` or which pair was `refused`."""

    def __init__(self, options: Mapping[str, Sequence[str]]) -> None:
        self.options = options
        asked = [[(group, name) for name in names if name != UNSET] for group, names in options.items()]
        pairs = [pair for one, other in combinations(asked, 2) for pair in ((a, b) for a in one for b in other)]
        self.waiting = dict.fromkeys(frozenset(pair) for pair in pairs)
        self.apart: set[frozenset[Option]] = set()

    def __iter__(self) -> Iterator[Row]:
        while self.waiting:
            pair = next(iter(self.waiting))
            row = self.complete(dict(sorted(pair)))
            if row is None:
                self.waiting.pop(pair)  # whatever stands beside them is refused by one of the two
            else:
                yield row

    def complete(self, row: Row) -> Row | None:
        """Group by group, first where most waiting pairs are met. None if every option of a group is kept apart."""
        gains: dict[str, dict[str, int]] = {}
        for group in sorted(self.options.keys() - row.keys()):
            meetings = {name: self.meetings(row, group, name) for name in self.options[group]}
            allowed = {name: pairs for name, pairs in meetings.items() if not self.apart & pairs}
            gains[group] = {name: len(self.waiting.keys() & pairs) for name, pairs in allowed.items()}
            if not allowed:
                return None
        if not gains:
            return row
        group = max(
            gains, key=lambda group: (max(gains[group].values()), -len(gains[group]) / len(self.options[group]))
        )
        names = sorted(gains[group], key=gains[group].__getitem__, reverse=True)
        return next(filter(None, (self.complete({**row, group: name}) for name in names)), None)

    def meetings(self, row: Row, group: str, name: str) -> set[frozenset[Option]]:
        return {frozenset([(group, name), option]) for option in row.items()}

    def covered(self, row: Row) -> None:
        for pair in combinations(row.items(), 2):
            self.waiting.pop(frozenset(pair), None)

    def refused(self, one: Option, other: Option) -> None:
        pair = frozenset([one, other])
        assert pair not in self.apart, f"{one} and {other} were kept apart already"
        self.apart.add(pair)
        self.waiting.pop(pair, None)
