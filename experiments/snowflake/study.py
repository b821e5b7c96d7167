"""All runs of the study, one after the other; complete ones are passed over, so it may be stopped at any time.

python experiments/snowflake/study.py --out runs/snowflake --datasets texas --backbones gcn
"""

import argparse
from itertools import product

import gnnlab

DATASETS = {
    "texas": "texas_undirected",
    "cornell": "cornell_undirected",
    "wisconsin": "wisconsin_undirected",
    "actor": "actor_undirected",
    "chameleon_filtered": "chameleon_filtered",
    "squirrel_filtered": "squirrel_filtered",
    "minesweeper": "minesweeper",
    "cora": "cora_geom_gcn",
}
STACK = ["model=mpnn", "model.norm=batch", "model.residual=false"]
BACKBONES = {
    "gcn": [*STACK, "model/conv=gcn", "model/head=flat"],
    "gat": [*STACK, "model/conv=gat", "model/head=flat"],
    "jknet": [*STACK, "model/conv=gcn", "model/head=jumping"],
    "gcnii": ["model=gcnii"],
}
POLICIES = {
    "none": ["aggregation=none"],
    "snowflake": ["aggregation=snowflake", "aggregation.beta=0.02"],
    "snowflake_v1": ["aggregation=snowflake_v1"],
    "snowflake_v2": ["aggregation=snowflake_v2"],
}


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
        choices = [f"dataset={DATASETS[dataset]}", *BACKBONES[backbone], *POLICIES[policy], f"model.num_layers={depth}"]
        places = [f"dataset.fold={split}", f"out={asked.out}", "resume=auto"]
        gnnlab.run(gnnlab.compose("experiment=snowflake", *choices, *places, *asked.overrides))


if __name__ == "__main__":
    main()
