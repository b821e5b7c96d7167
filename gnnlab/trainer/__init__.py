"""Training: one loop, and the few things around it."""

from gnnlab.trainer.loop import Trainer
from gnnlab.trainer.phase import Phase
from gnnlab.trainer.state import FitResult

__all__ = ["FitResult", "Phase", "Trainer"]
