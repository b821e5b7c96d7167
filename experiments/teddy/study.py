"""All runs of the study, one after the other; complete ones are passed over, so it may be stopped at any time.

    python experiments/teddy/study.py --out runs/teddy

Level r keeps 0.95^r of the edges and 0.9^r of the weights, the levels of the paper's experiments.
"""

import argparse
from collections.abc import Iterator
from itertools import product

import gnnlab
from gnnlab.run import run

LEVELS = (1, 3, 5, 8, 11, 14, 17, 20)
MODELS = {
    "gcn": ["model.conv.weights=false", "model.conv.self_loops=true"],
    "gat": ["model.conv.weights=false", "model.conv.self_loops=true"],
    "gin": [],
}
OWN = {
    "teddy": ["sparsifier.distill=10"],
    "ugs": ["sparsifier.rounds=2", "sparsifier.epochs=50"],
    "wdglt": ["sparsifier.rounds=2", "sparsifier.epochs=50"],
}
"""A teacher of 100 epochs, or two rounds of 50: as many epochs before the last 100."""


def shares(level: int) -> tuple[float, float]:
    """Edges and weights that stay."""
    return round(0.95**level, 4), round(0.9**level, 4)


def overrides(method: str, level: int) -> list[str]:
    """The command line of a method at a level; the same share of weights for all, by projection or by masks."""
    edges, weights = shares(level)
    if method == "random":
        return ["sparsifier=random", f"sparsifier.keep={edges}", "pruning=l0", f"pruning.keep={weights}"]
    return [f"sparsifier={method}", f"sparsifier.keep={edges}", f"sparsifier.keep_weights={weights}", *OWN[method]]


def settings(methods: list[str]) -> Iterator[list[str]]:
    """The dense run, and each method at each level."""
    if "dense" in methods:
        yield []
    for level, method in product(LEVELS, methods):
        if method != "dense":
            yield overrides(method, level)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/teddy")
    parser.add_argument("--datasets", default="cora,citeseer")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--methods", default="dense,random,teddy,ugs")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("overrides", nargs="*", help="further overrides of every run: data.root=…")
    asked = parser.parse_args()
    for dataset, model, seed in product(asked.datasets.split(","), asked.models.split(","), range(asked.seeds)):
        for method in settings(asked.methods.split(",")):
            common = ["experiment=teddy", f"dataset={dataset}", f"model={model}", f"seed={seed}", *MODELS[model]]
            places = [f"out={asked.out}", "resume=auto", "logger=[csv]"]
            run(gnnlab.compose(*common, *method, *places, *asked.overrides))


if __name__ == "__main__":
    main()
