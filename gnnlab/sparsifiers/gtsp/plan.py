"""How many tokens, heads and layers leave a share of a transformer's FLOPs."""

import logging
from math import log

from gnnlab.sparsifiers.gtsp.cost import Costs, Plan
from gnnlab.trainer import distributed

notice = logging.getLogger(__name__)

CLOSE = 0.02
"""How far below the most expensive affordable plan, as a share of all FLOPs, a plan still counts as equally good."""


def plan(costs: Costs, keep: float | None, tokens: float | None, heads: float | None, layers: float | None) -> Plan:
    """What stays: the shares given, and of the axes without one as much as leaves the share `keep` of the FLOPs.

    Of all plans that spend nearly what they may (`CLOSE`), the one with the most even shares. Without `keep`, axes
    without a share stay whole. Where no plan is that cheap, the cheapest.
    """
    most_heads, most_layers = costs.site.num_heads, costs.layers
    if keep is None:
        return Plan(tokens or 1.0, part(most_heads, heads or 1.0), part(most_layers, layers or 1.0))
    tokens = tokens if costs.site.selects_tokens else 1.0
    plans = [
        Plan(tokens or _tokens(costs, keep, num_heads, num_layers), num_heads, num_layers)
        for num_heads in ([part(most_heads, heads)] if heads else range(1, most_heads + 1))
        for num_layers in ([part(most_layers, layers)] if layers else range(1, most_layers + 1))
    ]
    spent = {one: costs.of(one) / costs.dense for one in plans}
    within = [one for one in plans if spent[one] <= keep * (1 + 1e-9)]
    if not within:
        least = min(plans, key=lambda one: spent[one])
        if distributed.rank() == 0:
            notice.warning("sparsifier.keep=%s of the FLOPs is out of reach; it is %.2f here.", keep, spent[least])
        return least
    best = max(spent[one] for one in within)
    return min((one for one in within if spent[one] >= best - CLOSE), key=lambda one: _unevenness(one, costs))


def part(count: int, share: float) -> int:
    """So many of `count`, one at least."""
    return max(1, round(share * count))


def _tokens(costs: Costs, keep: float, heads: int, layers: int) -> float:
    """The largest share of tokens within the budget, by twenty halvings; the smallest there is where none is."""
    if costs.of(Plan(1.0, heads, layers)) <= keep * costs.dense:
        return 1.0
    low, high = 2.0**-20, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if costs.of(Plan(middle, heads, layers)) <= keep * costs.dense else (low, middle)
    return low


def _unevenness(one: Plan, costs: Costs) -> float:
    shares = (one.tokens, one.heads / costs.site.num_heads, one.layers / costs.layers)
    return max(map(log, shares)) - min(map(log, shares))
