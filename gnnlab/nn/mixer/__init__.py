"""Global layers over the nodes of each graph.

Each is a module of width `dim`; copy `performer.py` for a new one.
"""
