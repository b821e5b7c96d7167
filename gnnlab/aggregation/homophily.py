"""What edges join: how many of them nodes of one class."""

from torch import Tensor

from gnnlab.batch import Batch


def classes(batch: Batch) -> Tensor | None:
    """[N] the class of every node; None where nodes have none, several, or other targets."""
    y = batch.node.get("y")
    if y is None or y.numel() != batch.num_nodes:
        return None
    if y.is_floating_point() and not ((y == 0) | (y == 1)).all():
        return None
    return y.flatten().long()


def edge_homophily(batch: Batch, weight: Tensor | None = None) -> float | None:
    """The share of the edges, each counted with its weight [E], that join two nodes of one class (Zhu et al., 2020).

    Self-loops are not counted. None without edges or classes.
    """
    y, (source, target) = classes(batch), batch.edge_index
    if y is None:
        return None
    counted = (source != target).double() * (1.0 if weight is None else weight.double())
    total = float(counted.sum())
    return float((counted * (y[source] == y[target])).sum()) / total if total else None
