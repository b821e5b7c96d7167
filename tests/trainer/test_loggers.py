"""Loggers hold every row once, also after a resume, and never decide over a run."""

import csv
import json
import logging
import os
import struct
from pathlib import Path

import pytest
from linear_toy import toy_fit

from gnnlab.trainer.loggers.csv import CSV
from gnnlab.trainer.loggers.tensorboard import TensorBoard
from gnnlab.trainer.loggers.wandb import WandB


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_csv_holds_the_history_to_the_last_digit(tmp_path: Path) -> None:
    _, result = toy_fit(tmp_path, eval_every=2)
    read = [{k: float(v) for k, v in row.items() if v} for row in rows(tmp_path / "metrics.csv")]
    assert read == result.history
    assert [int(row["epoch"]) for row in rows(tmp_path / "timing.csv")] == list(range(6))


def test_csv_is_the_same_written_at_once_or_row_by_row(tmp_path: Path) -> None:
    history = [{"epoch": 0, "a": 0.1}, {"epoch": 1, "a": 0.2, "b": 1 / 3}, {"epoch": 2, "a": 0.3}]
    for name, behind in (("grown", 0), ("resumed", 2), ("whole", 3)):
        (tmp_path / name).mkdir()
        logger = CSV(tmp_path / name)
        logger.start(history[:behind], [])
        for row in history[behind:]:
            logger.log(row)
    grown, resumed, whole = ((tmp_path / name / "metrics.csv").read_bytes() for name in ("grown", "resumed", "whole"))
    assert grown == resumed == whole


def test_tensorboard_holds_every_epoch_once_after_a_resume(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for epochs, resume in ((3, False), (3, True)):
        _, result = toy_fit(tmp_path, loggers=[TensorBoard(tmp_path)], max_epochs=epochs, resume=resume)
    accumulator = events.EventAccumulator(str(tmp_path / "tb"))
    accumulator.Reload()
    logged = accumulator.Scalars("val/mae")
    assert [event.step for event in logged] == [0, 1, 2]
    assert [event.value for event in logged] == pytest.approx([row["val/mae"] for row in result.history])
    assert [event.step for event in accumulator.Scalars("time/graphs_per_second")] == [0, 1, 2]
    assert accumulator.Scalars("test/mae")[0].value == pytest.approx(result.test["mae"])


@pytest.mark.parametrize("method", ["start", "log", "timing", "close"])
def test_a_logger_that_fails_is_dropped_with_one_notice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    def fail(*arguments) -> None:
        raise OSError("No space left on device")

    broken, sound = CSV(tmp_path), CSV(tmp_path)
    setattr(broken, method, fail)
    with caplog.at_level(logging.WARNING):
        _, result = toy_fit(tmp_path, loggers=[broken, sound])
    assert len([record for record in caplog.records if "CSV failed" in record.message]) == 1
    assert len(rows(tmp_path / "metrics.csv")) >= len(result.history)


@pytest.fixture
def no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which wandb knows no key, and no server."""
    pytest.importorskip("wandb")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / "netrc"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")


@pytest.mark.parametrize("mode", ["offline", "online"])
@pytest.mark.usefixtures("no_account")
def test_wandb_needs_neither_key_nor_network(tmp_path: Path, caplog: pytest.LogCaptureFixture, mode) -> None:
    folder = tmp_path / "zinc-gps-12345678/seed0"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(json.dumps({"seed": 0}))
    with caplog.at_level(logging.WARNING):
        _, result = toy_fit(folder, loggers=[WandB(folder, mode=mode), CSV(folder)], max_epochs=2)
    assert result.stopped == "max_epochs"
    notices = [record.message for record in caplog.records if "gnnlab" in record.name]
    assert len(notices) == (mode == "online")
    assert read_by_wandb(folder)["val/mae"] == [row["val/mae"] for row in result.history]


def read_by_wandb(folder: Path) -> dict[str, list[float]]:
    """The metrics of the offline run in `folder`, in wandb's own records; these lie in blocks as LevelDB's log does."""
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    wandb.teardown()  # what still writes has ended then
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    data, place, record, found = path.read_bytes(), 7, b"", {}
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        record += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            for item in Record.FromString(record).history.item:
                found.setdefault(item.key or "/".join(item.nested_key), []).append(json.loads(item.value_json))
            record = b""
    return found
