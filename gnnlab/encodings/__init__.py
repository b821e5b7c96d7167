"""Positional and structural encodings: one file each, an offline half (cached) and a learnt half (a module)."""

from gnnlab.encodings.base import Encoding
from gnnlab.encodings.offline import attach

__all__ = ["Encoding", "attach"]
