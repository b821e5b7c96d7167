"""All runs of the study, one after the other; complete ones are passed over, so it may be stopped at any time.

    python experiments/teddy/study.py --out runs/teddy

Level r keeps 0.95^r of the edges and 0.9^r of the weights, the levels of the paper's experiments.
"""

import argparse
from itertools import product
from statistics import mean

import gnnlab

LEVELS = (1, 3, 5, 8, 11, 14, 17, 20)
MODELS = {
    "gcn": ["model/conv=gcn", "model.conv.weights=false", "model.conv.self_loops=true"],
    "gat": ["model/conv=gat", "model.conv.weights=false", "model.conv.self_loops=true"],
    "gin": ["model/conv=gin"],
}
ROUNDS = ["sparsifier.rounds=2", "sparsifier.epochs=100"]
"""UGS and WD-GLT: as many epochs before the last 200 as TEDDY's teacher has."""

DISTILL, TRIED_AT, TRIED_SEEDS = (0.0, 0.1, 1.0, 10.0), 8, 3
"""TEDDY's λ: chosen for each data set and model at one level, by the mean best validation accuracy of three seeds."""


def shares(level: int) -> tuple[float, float]:
    """Edges and weights that stay."""
    return round(0.95**level, 4), round(0.9**level, 4)


def overrides(method: str, level: int, distill: float = 0.0) -> list[str]:
    """The command line of a method at a level; the same share of weights for all, by projection or by masks."""
    edges, weights = shares(level)
    if method == "random":
        return ["sparsifier=random", f"sparsifier.keep={edges}", "pruning=l0", f"pruning.keep={weights}"]
    own = [f"sparsifier.distill={distill}"] if method == "teddy" else ROUNDS
    return [f"sparsifier={method}", f"sparsifier.keep={edges}", f"sparsifier.keep_weights={weights}", *own]


class Study:
    """The runs of one data set and model."""

    def __init__(self, dataset: str, model: str, common: list[str]) -> None:
        self.common = ["experiment=teddy", f"dataset={dataset}", *MODELS[model], "resume=auto", "logger=[csv]", *common]

    def run(self, seed: int, *choices: str) -> float:
        """The best validation accuracy of a run, which is run if it is not there."""
        done = gnnlab.run(gnnlab.compose(*self.common, f"seed={seed}", *choices))
        return done.result["best"]["val/accuracy"]

    def distill(self) -> float:
        """The λ of TEDDY with the best validation."""

        def score(distill: float) -> float:
            return mean(self.run(seed, *overrides("teddy", TRIED_AT, distill)) for seed in range(TRIED_SEEDS))

        return max(DISTILL, key=score)

    def all(self, methods: list[str], seeds: int) -> None:
        """The dense run, and each method at each level, seed after seed."""
        distill = self.distill() if "teddy" in methods else 0.0
        for seed in range(seeds):
            if "dense" in methods:
                self.run(seed)
            for level, method in product(LEVELS, methods):
                if method != "dense":
                    self.run(seed, *overrides(method, level, distill))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/teddy")
    parser.add_argument("--datasets", default="cora,citeseer")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--methods", default="dense,random,teddy,ugs")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("overrides", nargs="*", help="further overrides of every run: data.root=…")
    asked = parser.parse_args()
    for dataset, model in product(asked.datasets.split(","), asked.models.split(",")):
        Study(dataset, model, [f"out={asked.out}", *asked.overrides]).all(asked.methods.split(","), asked.seeds)


if __name__ == "__main__":
    main()
