"""Models, one paper a file.

Each is a module, most of them an `nn.stack.Stack`; copy `mpnn.py` or `gps.py` for a new one.
"""
