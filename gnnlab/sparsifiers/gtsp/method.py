"""GTSP: Liu et al., "Exploring Sparsity in Graph Transformers", Neural Networks 2024, in three phases.

masks: shares fall from 1 to the plan's along a cubic; tokens are drawn with Gumbel noise at a temperature that falls
tenfold; after each epoch the most important heads and layers stay on. harden: the plan's shares, no noise, heads and
layers fixed. finetune: token scores are frozen too. Of the paper's four axes these are tokens, heads and layers; the
fourth, weights, is `pruning=granet`. The release trains layers with stochastic depth and sets the features of tokens
not chosen to 0; here layers go by importance (`switches`) and such tokens leave the softmax.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any, ClassVar

import torch
from torch import nn

from gnnlab.bounds import NonNegative, Positive, Share
from gnnlab.errors import UsageError
from gnnlab.pruning.ramps import cubic
from gnnlab.sparsifiers.base import Sparsifier
from gnnlab.sparsifiers.gtsp.compact import compacted, dense, install, seconds
from gnnlab.sparsifiers.gtsp.cost import Plan, counted, measure, sample, sites
from gnnlab.sparsifiers.gtsp.plan import plan
from gnnlab.sparsifiers.gtsp.switches import HeadMask, LayerMask, Switch, leave_together
from gnnlab.sparsifiers.gtsp.tokens import TokenMask
from gnnlab.trainer.method import Splits
from gnnlab.trainer.phase import Phase


class GTSP(Sparsifier):
    """GTSP (Liu et al. 2024): tokens, heads and layers of a graph transformer go, to the share `keep` of its FLOPs.

    `tokens` (the nodes that attend and are attended to), `heads`, `layers`: shares that stay; None: whatever `keep`
    asks for, all without it. The epochs of the last phase are shared out: the share `masks` of them learns the masks,
    `harden` settles them, the rest trains what is left. `measure`: time the compacted model beside the dense one.
    """

    needs: ClassVar[tuple[str, ...]] = ("heads",)

    def __init__(
        self,
        keep: Share | None = 0.7,
        tokens: Share | None = None,
        heads: Share | None = None,
        layers: Share | None = None,
        temperature: Positive = 1.0,
        masks: NonNegative = 0.5,
        harden: NonNegative = 0.1,
        measure: bool = False,
    ) -> None:
        if masks + harden >= 1:
            shares = f"sparsifier.masks={masks} and sparsifier.harden={harden}"
            raise UsageError(f"{shares}, shares of the epochs, leave none for the rest.")
        self.keep, self.tokens, self.heads, self.layers = keep, tokens, heads, layers
        self.temperature, self.masks, self.harden, self.measure = temperature, masks, harden, measure

    def phases(self, phases: Sequence[Phase], model: nn.Module, splits: Splits) -> Sequence[Phase]:
        site = sites(model)[0]
        if self.tokens is not None and self.tokens < 1 and not site.selects_tokens:
            raise UsageError(
                f"sparsifier.tokens={self.tokens}: {type(site).__name__} is not a softmax attention of all to all "
                "and takes them as they come. Leave sparsifier.tokens=null, and heads and layers go."
            )
        self.costs = measure(model, sample(splits["train"].packed))
        self.plan = plan(self.costs, self.keep, self.tokens, self.heads, self.layers)
        if self.plan == Plan(1.0, site.num_heads, self.costs.layers):
            return phases
        install(model, *(stays < 1 for stays in self.shares(1.0).values()))
        *before, last = phases
        if last.epochs < 3:
            raise UsageError(
                f"{last.epochs} epochs are too few to learn masks and settle them: raise trainer.max_epochs."
            )
        masks, harden = (max(1, round(share * last.epochs)) for share in (self.masks, self.harden))

        def learn(model: nn.Module) -> None:
            for mask in masks_of(model):
                mask.learns = True

        def tighten(model: nn.Module, epoch: int) -> dict[str, float]:
            self.leave(model, (epoch + 1) / masks)
            return self.shares((epoch + 1) / masks)

        def settle(model: nn.Module) -> None:
            self.leave(model, 1.0)
            for mask in masks_of(model):
                mask.learns = isinstance(mask, TokenMask)
                if isinstance(mask, TokenMask):
                    mask.noise = False

        def fix(model: nn.Module) -> None:
            for mask in masks_of(model):
                mask.learns = False

        learnt = replace(last, name="masks", epochs=masks, choose_from=masks - 1)  # all before is closer to dense
        rest = max(1, last.epochs - masks - harden)
        again = replace(last, on_start=None)
        scores = [mask.weight for mask in masks_of(model) if isinstance(mask, TokenMask)]
        return [
            *before,
            learnt.also(on_start=learn, on_epoch_end=tighten),
            again.also(on_start=settle, name="harden", epochs=harden),
            again.also(on_start=fix, name="finetune", epochs=rest, frozen=scores),
        ]

    def shares(self, t: float) -> dict[str, float]:
        """What stays of each kind once the share t of the masks' phase is over."""
        whole = Plan(1.0, self.costs.site.num_heads, self.costs.layers)
        aims = {name: aim / all_ for name, aim, all_ in zip(Plan._fields, self.plan, whole, strict=True)}
        return {name: cubic(t, aim) for name, aim in aims.items()}

    @torch.no_grad()
    def leave(self, model: nn.Module, t: float) -> None:
        """Have the masks leave the shares of t; which heads and layers, by what matters."""
        shares = self.shares(t)
        for site in sites(model):
            if isinstance(site.token_mask, TokenMask):
                site.token_mask.keep.fill_(shares["tokens"])
                site.token_mask.temperature.fill_(self.temperature * 0.1**t)
            if isinstance(site.head_mask, Switch):
                leave_together([site.head_mask], round(shares["heads"] * site.num_heads))
        layers = [layer for layer in model.modules() if isinstance(layer, LayerMask)]
        leave_together(layers, round(shares["layers"] * len(layers)))

    def report(self, model: nn.Module, splits: Splits, folder: Path) -> dict[str, Any]:
        """FLOPs of a graph, counted of the dense and of the compacted model; what is left; how equal they are."""
        graphs, device = sample(splits["val"].packed), next(model.parameters()).device
        batch, whole, small = graphs.batch().to(device), dense(model), compacted(model)
        before, after = counted(whole, graphs), counted(small, graphs)
        with torch.no_grad():
            difference = (model.eval()(batch) - small(batch)).abs().max()
        modules = list(model.modules())
        found = {
            "flops_dense": before / graphs.num_graphs,
            "flops_sparse": after / graphs.num_graphs,
            "flops_kept": after / before,
            "difference": float(difference),
            **left(model),
            "heads": [site.head_mask.on.tolist() for site in sites(model) if isinstance(site.head_mask, Switch)],
            "layers": [bool(layer.on) for layer in modules if isinstance(layer, LayerMask)],
        }
        if self.measure:
            took = seconds({"dense": whole, "sparse": small}, batch)
            found |= {f"seconds_{name}": value for name, value in took.items()}
        return found

    def deployed(self, model: nn.Module) -> nn.Module:
        return compacted(model)


def left(model: nn.Module) -> dict[str, float]:
    """The shares that stay, by the masks as they are."""
    masks = masks_of(model)
    shares = {
        "tokens_kept": [mask.keep for mask in masks if isinstance(mask, TokenMask)],
        "heads_kept": [mask.on for mask in masks if isinstance(mask, HeadMask)],
        "layers_kept": [mask.on for mask in masks if isinstance(mask, LayerMask)],
    }
    return {
        name: mean(float(share.double().mean()) for share in found) if found else 1.0 for name, found in shares.items()
    }


def masks_of(model: nn.Module) -> list[TokenMask | Switch]:
    return [part for part in model.modules() if isinstance(part, TokenMask | Switch)]
