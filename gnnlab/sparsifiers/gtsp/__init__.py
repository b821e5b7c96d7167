"""GTSP: Liu et al., "Exploring Sparsity in Graph Transformers", Neural Networks 2024. See `method`."""

from gnnlab.sparsifiers.gtsp.method import GTSP

__all__ = ["GTSP"]
