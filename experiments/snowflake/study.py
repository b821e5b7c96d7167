"""All runs of the study, one after the other; complete ones are passed over, so it may be stopped at any time.

python experiments/snowflake/study.py --out runs/snowflake --datasets texas --backbones gcn
"""

import argparse
from itertools import product

import gnnlab
from gnnlab.run import run

BOTH_WAYS = "dataset._target_=gnnlab.datasets.geom_gcn.GeomGCNUndirected"
DATASETS = {
    "texas": ["dataset=texas", BOTH_WAYS],
    "cornell": ["dataset=cornell", BOTH_WAYS],
    "wisconsin": ["dataset=wisconsin", BOTH_WAYS],
    "actor": ["dataset=actor", BOTH_WAYS],
    "chameleon_filtered": ["dataset=chameleon_filtered"],
    "squirrel_filtered": ["dataset=squirrel_filtered"],
    "minesweeper": ["dataset=minesweeper"],
    "cora": ["dataset=cora_geom_gcn"],
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
    parser.add_argument("--splits", type=int, default=10, help="the first so many of the ten")
    parser.add_argument("overrides", nargs="*", help="further overrides of every run: data.root=…")
    asked = parser.parse_args()
    lists = (asked.datasets, asked.backbones, asked.depths, asked.policies)
    settings = product(*(chosen.split(",") for chosen in lists), range(asked.splits))
    for dataset, backbone, depth, policy, split in settings:
        choices = [*DATASETS[dataset], *BACKBONES[backbone], *POLICIES[policy], f"model.num_layers={depth}"]
        places = [f"dataset.fold={split}", f"out={asked.out}", "resume=auto"]
        run(gnnlab.compose("experiment=snowflake", *choices, *places, *asked.overrides))


if __name__ == "__main__":
    main()
