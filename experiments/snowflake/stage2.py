"""How long the snowflake's second stage takes on a large random graph, and how much memory the whole process needs.

    python experiments/snowflake/stage2.py --nodes 200000 --edges 2000000 --layers 32

The stage is all of it: the predictor over the features, the weights of the edges, the scores of every hop, the depths.
"""

import argparse
import resource
import time

import torch

from gnnlab.aggregation.snowflake import Snowflake
from gnnlab.packed import Packed
from gnnlab.spec import Feature, GraphSpec


def graph(num_nodes: int, num_edges: int, features: int) -> Packed:
    """Random pairs of nodes, each in both directions, of degrees that differ widely."""
    generator = torch.Generator().manual_seed(0)
    pairs = (torch.rand(2, num_edges // 2, generator=generator, dtype=torch.double).square() * num_nodes).long()
    both = torch.cat([pairs, pairs.flip(0)], 1)
    x = torch.randn(num_nodes, features, generator=generator)
    return Packed.from_tensors(torch.tensor([num_nodes]), torch.tensor([both.shape[1]]), both, node={"x": x})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=200_000)
    parser.add_argument("--edges", type=int, default=2_000_000, help="directed: half as many pairs")
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--beta", type=float, default=5e-3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    batch = graph(asked.nodes, asked.edges, asked.features).batch()
    torch.manual_seed(0)
    node = Feature.continuous(asked.features)
    policy = Snowflake(GraphSpec("large", "node", "multiclass", 10, "accuracy", node), asked.layers, asked.beta)
    wall, cpu = time.perf_counter(), time.process_time()
    depth = policy.find(batch)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{batch.num_nodes:,} nodes, {batch.num_edges:,} edges, {asked.layers} layers, 1 thread")
    print(f"{wall:.1f} s, {cpu:.1f} s of processor time, {peak:.2f} GiB at most")
    print("nodes of depth 1, 2, …:", torch.bincount(depth, minlength=asked.layers + 1)[1:].tolist())


if __name__ == "__main__":
    main()
