"""What takes away edges, tokens, heads and layers.

Each is a `base.Sparsifier`, a `ranked.Ranked` where edges are ranked once; copy `degree.py` for a new one.
"""
