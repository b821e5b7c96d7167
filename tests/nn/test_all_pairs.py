"""All pairs of a graph as edges: the batch that PyG's graphs with these edges would give."""

from dataclasses import fields

import torch
from torch.testing import assert_close

from gnnlab.batch import Batch
from gnnlab.nn.all_pairs import all_pairs, edge_pairs
from gnnlab.packed import Packed
from gnnlab.testing import sample


def test_it_is_the_batch_of_complete_graphs() -> None:
    batch = sample().batch()
    pairs, sizes = all_pairs(batch), batch.ptr.diff()
    complete = torch.cat([torch.ones(n, n).nonzero().T for n in sizes.tolist()], 1)
    expected = Packed.from_tensors(sizes, sizes.square(), complete).batch()
    for field in fields(Batch):
        if isinstance(getattr(batch, field.name), torch.Tensor):
            assert_close(getattr(pairs, field.name), getattr(expected, field.name), msg=field.name)
    assert pairs.max_nodes == batch.max_nodes


def test_every_edge_is_found_among_them() -> None:
    batch = sample().batch()
    assert_close(all_pairs(batch).edge_index[:, edge_pairs(batch)], batch.edge_index)
