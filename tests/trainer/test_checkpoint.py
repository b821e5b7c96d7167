"""A checkpoint is read whole or refused in one sentence, and a full disk loses nothing."""

import errno
import logging
import os
import pickle
from functools import partial
from pathlib import Path

import pytest
import torch
from linear_toy import Linear, toy_fit

from gnnlab.errors import UsageError
from gnnlab.trainer import checkpoint


class Payload:
    """Creates a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_garbage_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"garbage", b"\x80\x02}q\x00.", pickle.dumps([1, 2])):
        (tmp_path / "checkpoint.pt").write_bytes(content)
        with pytest.raises(UsageError, match=r"checkpoint\.pt (is|belongs)"):
            toy_fit(tmp_path, resume=True)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    toy_fit(tmp_path)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(UsageError, match=r"checkpoint\.pt is damaged"):
        toy_fit(tmp_path, resume=True)


@pytest.mark.parametrize("protocol", ["zip", "legacy", "pickle"])
def test_code_in_a_checkpoint_is_never_executed(tmp_path: Path, protocol: str) -> None:
    content = {"state": Payload(tmp_path / "owned")}
    if protocol == "pickle":
        (tmp_path / "checkpoint.pt").write_bytes(pickle.dumps(content))
    else:
        torch.save(content, tmp_path / "checkpoint.pt", _use_new_zipfile_serialization=protocol == "zip")
    with pytest.raises(UsageError, match=r"checkpoint\.pt is damaged"):
        toy_fit(tmp_path, resume=True)
    assert not (tmp_path / "owned").exists()


def test_another_model_or_configuration_is_refused(tmp_path: Path) -> None:
    toy_fit(tmp_path, fingerprint="a")
    with pytest.raises(UsageError, match=r"another model or other trainer settings.*layers"):
        toy_fit(tmp_path, partial(Linear, hidden=4), resume=True, fingerprint="a")
    with pytest.raises(UsageError, match="its configuration differs"):
        toy_fit(tmp_path, resume=True, fingerprint="b")
    with pytest.raises(UsageError, match=r"another model or other trainer settings.*ema"):
        toy_fit(tmp_path, resume=True, fingerprint="a", ema=0.9)


def test_without_resume_a_run_begins_anew(tmp_path: Path) -> None:
    _, first = toy_fit(tmp_path, max_epochs=3)
    _, second = toy_fit(tmp_path, max_epochs=3)
    _, resumed = toy_fit(tmp_path, max_epochs=3, resume=True)
    assert first.history == second.history == resumed.history
    assert first.test == resumed.test


def test_a_full_disk_keeps_the_file_before_and_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sync, calls = os.fsync, []

    def full_after_three(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full_after_three)
    with caplog.at_level(logging.WARNING):
        _, result = toy_fit(tmp_path / "full", checkpoint_every=0)
    monkeypatch.undo()
    assert len([record for record in caplog.records if "checkpoint.pt cannot be written" in record.message]) == 1
    assert result.stopped == "max_epochs"
    assert not list((tmp_path / "full").glob(".checkpoint*"))
    _, resumed = toy_fit(tmp_path / "full", resume=True)
    assert resumed.history == result.history


def test_best_pt_is_what_was_tested_whatever_a_full_disk_left_there(tmp_path: Path) -> None:
    model, _ = toy_fit(tmp_path)
    checkpoint.write(tmp_path / "best.pt", {"of": torch.zeros(1)})
    toy_fit(tmp_path, resume=True)
    kept = torch.load(tmp_path / "best.pt", weights_only=True)
    assert all(torch.equal(kept[name], value) for name, value in model.state_dict().items())


def test_a_checkpoint_is_throttled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one per `checkpoint_every`, plus those at the start and the end of a phase."""
    written = []
    write = checkpoint.write
    monkeypatch.setattr(checkpoint, "write", lambda path, content: (written.append(path.name), write(path, content)))
    toy_fit(tmp_path, checkpoint_every=3600)
    assert written.count("checkpoint.pt") == 2
