"""Data sets, and the loaders that make batches of them.

Each is a `base.Dataset`, a `base.RawDataset` where files are read; copy `csl.py` or `zinc.py` for a new one.
"""
