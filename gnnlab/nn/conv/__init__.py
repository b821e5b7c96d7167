"""Local layers: messages along edges, x and e to x' and e'.

Each is a `base.Conv`; copy `gin.py` for a new one, `gine.py` for one with edge features.
"""
