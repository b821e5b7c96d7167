"""How far apart the closest two CSL classes are in an encoding, after a batch norm of its columns, and how far the mean
of a column wanders between batches of 32 of the 90 training graphs, nine of each class.

python experiments/csl/apart.py
"""

import torch

from gnnlab.datasets.csl import NODES, SKIPS, circular_skip_link
from gnnlab.encodings.elstatic import Elstatic
from gnnlab.encodings.hkdiag import HKdiag
from gnnlab.encodings.rwse import RWSE
from gnnlab.packed import Packed


def main() -> None:
    count, batch, split = len(SKIPS), 32, 90
    edges = torch.cat([circular_skip_link(skip) for skip in SKIPS], 1)
    graphs = Packed.from_tensors(torch.full((count,), NODES), torch.full((count,), 4 * NODES), edges)
    for encoding in (RWSE(), HKdiag(), Elstatic()):
        (values,) = encoding.precompute(graphs).values()
        columns = values.view(count, NODES, -1)[:, 0]  # all nodes of a class are alike
        normed = (columns - columns.mean(0)) / (columns.std(0) + 1e-5)
        print(f"{type(encoding).__name__}: {torch.pdist(normed).min():.3f}")
    print(f"A mean of {batch}: {((1 / batch) * (split - batch) / (split - 1)) ** 0.5:.3f}")


if __name__ == "__main__":
    main()
