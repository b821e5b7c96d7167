"""Heads of attention side by side."""

from gnnlab.errors import UsageError


def head_width(dim: int, num_heads: int, section: str = "model") -> int:
    """The width of one head. Raises `UsageError` where `dim` is no multiple of `num_heads`, a setting of `section`."""
    if dim % num_heads:
        raise UsageError(
            f"model.hidden_dim={dim} is not a multiple of {section}.num_heads={num_heads}; change one of them."
        )
    return dim // num_heads
