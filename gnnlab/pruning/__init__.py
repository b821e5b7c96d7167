"""Pruning of weights, at once or on a schedule.

Each is a `base.Pruning`, a `one_shot.OneShot` where it prunes once; copy `magnitude.py` for a new one.
"""
