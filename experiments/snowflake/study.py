"""All runs of the study, one after the other; complete ones are passed over, so it may be stopped at any time.

python experiments/snowflake/study.py --out runs/snowflake --datasets texas --backbones gcn
"""

import argparse
from itertools import product

import gnnlab

DATASETS = {
    "texas": ("texas_undirected", 183),
    "cornell": ("cornell_undirected", 183),
    "wisconsin": ("wisconsin_undirected", 251),
    "actor": ("actor_undirected", 7600),
    "chameleon_filtered": ("chameleon_filtered", 890),
    "squirrel_filtered": ("squirrel_filtered", 2223),
    "minesweeper": ("minesweeper", 10_000),
    "cora": ("cora_geom_gcn", 2708),
}
"""Each with its number of nodes N, of which β is made."""
STACK = ["model=mpnn", "model.norm=batch", "model.residual=false"]
BACKBONES = {
    "gcn": [*STACK, "model/conv=gcn", "model/head=flat"],
    "gat": [*STACK, "model/conv=gat", "model/head=flat"],
    "jknet": [*STACK, "model/conv=gcn", "model/head=jumping"],
    "gcnii": ["model=gcnii"],
}


def policies(name: str, nodes: int) -> list[list[str]]:
    """The settings of a policy: of the snowflake two β, that of some fifty nodes in reach and that of all, 1/N."""
    betas = ("0.02", f"{1 / nodes:.2g}") if name == "snowflake" else ()
    return [[f"aggregation={name}", f"aggregation.beta={beta}"] for beta in betas] or [[f"aggregation={name}"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/snowflake")
    parser.add_argument("--datasets", default=",".join(DATASETS))
    parser.add_argument("--backbones", default=",".join(BACKBONES))
    parser.add_argument("--policies", default="none,snowflake")
    parser.add_argument("--depths", default="2,4,8,16,32")
    parser.add_argument("--splits", type=int, default=10, help="how many of the ten, from the first")
    parser.add_argument("overrides", nargs="*", help="further overrides of every run: data.root=…")
    asked = parser.parse_args()
    lists = (asked.datasets, asked.backbones, asked.depths, asked.policies)
    settings = product(*(chosen.split(",") for chosen in lists), range(asked.splits))
    for dataset, backbone, depth, policy, split in settings:
        option, nodes = DATASETS[dataset]
        for chosen in policies(policy, nodes):
            choices = [f"dataset={option}", *BACKBONES[backbone], *chosen, f"model.num_layers={depth}"]
            places = [f"dataset.fold={split}", f"out={asked.out}", "resume=auto"]
            gnnlab.run(gnnlab.compose("experiment=snowflake", *choices, *places, *asked.overrides))


if __name__ == "__main__":
    main()
