"""Aggregation policies: gates on every edge, layer by layer.

Each is a `base.Aggregation`; copy `dropedge.py` for a new one.
"""
