"""How long TEDDY takes to score, and to rank, the edges of a large random graph.

python experiments/teddy/scoring.py --nodes 200000 --edges 2000000
"""

import argparse
import time

import torch

from gnnlab.packed import Packed
from gnnlab.sparsifiers.teddy import teddy_scores
from gnnlab.sparsifiers.undirected import strongest


def graph(num_nodes: int, num_edges: int) -> Packed:
    """Random pairs of nodes, each in both directions, of degrees that differ widely."""
    generator = torch.Generator().manual_seed(0)
    pairs = (torch.rand(2, num_edges // 2, generator=generator, dtype=torch.double).square() * num_nodes).long()
    both = torch.cat([pairs, pairs.flip(0)], 1)
    return Packed.from_tensors(torch.tensor([num_nodes]), torch.tensor([both.shape[1]]), both)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=200_000)
    parser.add_argument("--edges", type=int, default=2_000_000, help="directed: half as many pairs")
    asked = parser.parse_args()
    graphs = graph(asked.nodes, asked.edges)
    args = graphs.edge_index, graphs.num_nodes
    for name, work in (
        ("scores", lambda: teddy_scores(*args)),
        ("scores and the choice of pairs", lambda: strongest(teddy_scores(*args), graphs, 0.5)),
    ):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        spent = f"{time.perf_counter() - wall:.2f} s, {time.process_time() - cpu:.2f} s of processor time"
        print(f"{name}: {spent}; {graphs.num_nodes:,} nodes, {graphs.num_edges:,} edges")


if __name__ == "__main__":
    main()
