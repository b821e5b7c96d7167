"""Kinds of numbers, for the annotations of a part's arguments.

The check of a config (`gnnlab.config.check`) holds every value to them before anything is loaded or a sweep
begins, as to any other `Annotated[int, Ge(2)]`: a constructor need not say again what its annotations say.
"""

from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

Natural = Annotated[int, Ge(0)]
Count = Annotated[int, Ge(1)]
NonNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]
Probability = Annotated[float, Ge(0), Le(1)]
Share = Annotated[float, Gt(0), Le(1)]
"""Of what stays."""
Fraction = Annotated[float, Ge(0), Lt(1)]
