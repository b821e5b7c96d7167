"""What every pruning of weights is: a training method whose last phase ends with the share `keep` of them."""

from pathlib import Path
from typing import Any

from torch import nn

from gnnlab.bounds import Share
from gnnlab.pruning.macs import macs_per_graph
from gnnlab.pruning.prunable import Also, prunable
from gnnlab.pruning.rules import num_kept
from gnnlab.trainer.method import Method, Splits


class Pruning(Method):
    """Leaves `keep` of the weights, of all layers together, exactly: P − ⌈(1 − keep) P⌉ of P.

    Which these are, see `gnnlab.pruning.prunable`; `also` names further kinds: norms, biases, embeddings.
    """

    def __init__(self, keep: Share, also: tuple[Also, ...] = ()) -> None:
        self.keep, self.also = keep, also

    def weights(self, model: nn.Module) -> dict[str, nn.Parameter]:
        """What is pruned, by name."""
        return prunable(model, self.also)

    def num_kept(self, model: nn.Module) -> int:
        """How many weights stay."""
        return num_kept(sum(weight.numel() for weight in self.weights(model).values()), self.keep)

    def report(self, model: nn.Module, splits: Splits, folder: Path) -> dict[str, Any]:
        """Weights that are not 0, and multiply-adds of a graph with and without the others."""
        weights = self.weights(model).values()
        total, left = sum(w.numel() for w in weights), sum(int(w.count_nonzero()) for w in weights)
        device = next(model.parameters()).device
        dense, sparse = macs_per_graph(model, [batch.to(device) for batch in splits["val"].sample()])
        return {
            "weights": left,
            "weights_kept": left / max(1, total),
            "macs_per_graph": sparse,
            "macs_kept": sparse / max(1, dense),
        }
