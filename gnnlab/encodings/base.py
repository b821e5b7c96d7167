"""What an encoding is: an offline half, computed once per graph and cached, and a learnt half, a module."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from gnnlab.packed import Packed


class Encoding(ABC):
    """A factory of the two halves; subclasses are frozen dataclasses.

    `dim` is the width of the learnt half; with None the model decides. With `ambiguous_basis` the offline
    half is defined up to sign, and up to rotation where an eigenvalue repeats.
    `gnnlab.testing.assert_encoding_lawful` tries everything that is asked of an encoding.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    gives: ClassVar[tuple[str, ...]] = ()
    ambiguous_basis: ClassVar[bool] = False
    dim: int | None

    def cache_key(self) -> dict[str, Any]:
        """The parameters that the offline half may depend on, as JSON: all but `dim`."""
        return {name: value for name, value in vars(self).items() if name != "dim"}

    @abstractmethod
    def precompute(self, graphs: Packed) -> dict[str, Tensor]:
        """Node attributes [N, …], float32, of each graph by itself. `graphs` carries no attributes."""

    @abstractmethod
    def encoder(self, dim: int) -> nn.Module:
        """The learnt half: a module from `Batch` to [N, dim]."""
