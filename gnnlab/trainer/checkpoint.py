"""Checkpoints: the old file or the new one, never half of one; tensors and plain values, never code."""

import io
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gnnlab.errors import UsageError
from gnnlab.files import replacing
from gnnlab.trainer import distributed
from gnnlab.trainer.protocols import Stateful
from gnnlab.trainer.seed import rng_state, set_rng_state
from gnnlab.trainer.state import State

notice = logging.getLogger(__name__)


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` at once or not at all. Raises `OSError` (a full disk), and then leaves `path` as it was."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with replacing(path) as draft:
        draft.write_bytes(buffer.getbuffer())


def read(path: Path) -> dict[str, Any]:
    """Read a file written by `write`. Raises `UsageError` if it is damaged or holds anything but tensors and values."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise UsageError(
            f"{path} is damaged or not a checkpoint ({type(error).__name__}: {reason}). "
            "Delete it to begin anew, or resume another run."
        ) from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} is not a checkpoint: it holds a {type(content).__name__}.")
    return content


class Checkpoints:
    """The checkpoint.pt and best.pt of a run's folder.

    checkpoint.pt holds the `State`, every part's `state_dict`, and each process's random generators. Where
    writing fails, the file before stays, and there is one notice.
    """

    def __init__(self, folder: Path, every: float, fingerprint: str) -> None:
        self.path, self.best_path = folder / "checkpoint.pt", folder / "best.pt"
        self.every, self.fingerprint = every, fingerprint
        self.last = -float("inf")
        self.failed: set[Path] = set()

    @property
    def due(self) -> bool:
        return time.monotonic() - self.last >= self.every

    @property
    def advice(self) -> str:
        """Where the state is, for the message of a run that stops."""
        if not self.path.exists():
            return f"No checkpoint could be written to {self.path.parent}."
        behind = ", the last that could be written" if self.path in self.failed else ""
        return f"Its state is kept in {self.path}{behind}; resume=auto goes on from there."

    def save(self, state: State, parts: Mapping[str, Stateful]) -> None:
        """Keep everything, from rank 0; the other processes hand in their random generators."""
        generators = distributed.collect(rng_state())
        if distributed.rank() == 0:
            content = {name: part.state_dict() for name, part in parts.items()}
            content |= {"state": vars(state), "generators": generators, "fingerprint": self.fingerprint}
            self._write(self.path, content)
        self.last = time.monotonic()

    def save_best(self, weights: dict[str, Tensor]) -> None:
        """Write the weights to best.pt, a plain `state_dict`."""
        if distributed.rank() == 0:
            self._write(self.best_path, weights)

    def load(self) -> tuple[dict[str, Any], State] | None:
        """The checkpoint and its state; None if there is none. Raises `UsageError` if it is not this run's."""
        if not self.path.exists():
            return None
        saved = read(self.path)
        try:
            if saved["fingerprint"] != self.fingerprint:
                raise ValueError("its configuration differs")
            if len(saved["generators"]) != distributed.world():
                raise ValueError(f"{len(saved['generators'])} processes made it, here are {distributed.world()}")
            return saved, State(**saved["state"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._foreign(error) from error

    def restore(self, saved: dict[str, Any], parts: Mapping[str, Stateful]) -> None:
        """Load every part's state and the random generators. Raises `UsageError` if they do not fit."""
        try:
            for name, part in parts.items():
                part.load_state_dict(saved[name])
            set_rng_state(saved["generators"][distributed.rank()])
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise self._foreign(error) from error

    def _write(self, path: Path, content: Mapping[str, Any]) -> None:
        try:
            write(path, content)
            self.failed.discard(path)
        except OSError as error:
            if path not in self.failed:
                notice.warning("%s cannot be written (%s); training goes on with the one before.", path, error)
            self.failed.add(path)

    def _foreign(self, error: Exception) -> UsageError:
        reason = " ".join(str(error).split())[:200]
        return UsageError(
            f"{self.path} belongs to another model or other trainer settings ({reason}). "
            "Resume with the configuration it was made with, or begin anew with resume=never."
        )
