"""Loggers hold every row once, also after a resume, and never decide over a run."""

import csv
import json
import logging
import os
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from linear_toy import toy_fit

from gnnlab.trainer.loggers import Loggers
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


def test_a_logger_that_is_dropped_is_closed() -> None:
    broken = MagicMock()
    broken.log.side_effect = OSError("No space left on device")
    loggers = Loggers([broken])
    loggers.epoch({"epoch": 0}, {"epoch": 0})
    loggers.epoch({"epoch": 1}, {"epoch": 1})
    loggers.close({})
    broken.close.assert_called_once_with(None)


@pytest.mark.parametrize("epochs", [{1}, {0, 1, 2, 3}, {5}], ids=str)
def test_a_disk_that_is_full_for_a_while_costs_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, epochs: set[int]
) -> None:
    opened = Path.open

    def full(self: Path, mode: str = "r", **settings):
        file = opened(self, mode, **settings)
        if "metrics.csv" in self.name and mode in ("a", "w") and now in epochs:
            file.write("3,0.")
            file.close()
            raise OSError(28, "No space left on device")
        return file

    logger, history = CSV(tmp_path), [{"epoch": epoch, "train/loss": 1 / (1 + epoch)} for epoch in range(6)]
    monkeypatch.setattr(Path, "open", full)
    now = -1
    logger.start([], [])
    for now in range(6):
        logger.log(history[now])
    now = 6
    logger.close(None)
    assert [{key: float(value) for key, value in row.items()} for row in rows(tmp_path / "metrics.csv")] == history
    assert len([record for record in caplog.records if "metrics.csv cannot be written" in record.message]) == 1


@pytest.fixture
def no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which wandb knows no key, and no server."""
    wandb = pytest.importorskip("wandb")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"))  # kernels
    monkeypatch.setenv("WANDB_CACHE_DIR", str(home))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / "netrc"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    yield
    wandb.teardown()  # it would remember a key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a run."""
    path = tmp_path / "zinc-gps-12345678/seed0"
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(json.dumps({"seed": 0}))
    return path


@pytest.mark.parametrize("mode", ["offline", "online"])
@pytest.mark.usefixtures("no_account")
def test_wandb_needs_neither_key_nor_network(folder: Path, caplog: pytest.LogCaptureFixture, mode) -> None:
    said = fit_with_wandb(folder, caplog, mode)
    assert len(said) == (mode == "online")


@pytest.mark.parametrize("key", ["wrong", 40 * "0"])
@pytest.mark.usefixtures("no_account")
def test_a_false_key_is_said_once(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """One that is none by its form, without a network; one that the server does not take."""
    monkeypatch.setenv("WANDB_API_KEY", key)
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if key != "wrong":
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    (said,) = fit_with_wandb(folder, caplog, "online")
    server.shutdown()
    assert "wandb is not online" in said
    assert "logging offline" in said


class Refusing(BaseHTTPRequestHandler):
    """A server that knows nobody."""

    def do_POST(self) -> None:
        self.send_response(401)
        self.end_headers()

    do_GET = do_POST

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def fit_with_wandb(folder: Path, caplog: pytest.LogCaptureFixture, mode) -> list[str]:
    """A run that ends well, with all that is logged; what it says."""
    with caplog.at_level(logging.WARNING):
        _, result = toy_fit(folder, loggers=[WandB(folder, mode=mode), CSV(folder)], max_epochs=2)
    assert result.stopped == "max_epochs"
    assert read_by_wandb(folder)["val/mae"] == [row["val/mae"] for row in result.history]
    for kind in ("images/*.png", "table/*.json"):
        assert len(list(folder.glob(f"wandb/offline-run-*/files/media/{kind}"))) == 1
    warnings = (record for record in caplog.records if record.levelno >= logging.WARNING)
    return [record.message for record in warnings if "gnnlab" in record.name]


@pytest.mark.usefixtures("no_account")
def test_wandb_holds_every_epoch_once_after_a_resume(folder: Path) -> None:
    for resume in (False, True):
        _, result = toy_fit(folder, loggers=[WandB(folder)], max_epochs=3, resume=resume)
    found = read_by_wandb(folder)
    assert found["val/mae"] == [row["val/mae"] for row in result.history]
    assert len(found["time/seconds"]) == 3


HISTORY = [{"epoch": epoch, "val/mae": 0.1} for epoch in range(3)]


@pytest.fixture
def init(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MagicMock:
    """In the place of `wandb.init`: a run of which the server has two epochs."""
    wandb = pytest.importorskip("wandb")
    init = MagicMock()
    init.return_value.starting_step, init.return_value.dir = 2, str(tmp_path / "files")
    monkeypatch.setattr(wandb, "init", init)
    return init


def test_what_the_server_has_is_not_sent_again(tmp_path: Path, init: MagicMock) -> None:
    WandB(tmp_path).start(HISTORY, HISTORY)
    assert [call.kwargs["step"] for call in init.return_value.log.call_args_list] == [2, 2]


def test_a_run_of_wandb_belongs_to_its_folder(tmp_path: Path, init: MagicMock) -> None:
    for place in ("a", "b", "a"):
        (tmp_path / place / "gps/seed0").mkdir(parents=True, exist_ok=True)
        WandB(tmp_path / place / "gps/seed0").start([], [])
    one, other, again = (call.kwargs["id"] for call in init.call_args_list)
    assert one == again != other
    assert init.call_args.kwargs["reinit"] == "finish_previous"


def test_a_figure_that_cannot_be_drawn_ends_no_run(
    tmp_path: Path, init: MagicMock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gnnlab.trainer.loggers.wandb.learning_curves", MagicMock(side_effect=OSError("full")))
    logger = WandB(tmp_path)
    logger.start(HISTORY, HISTORY)
    logger.close({"test/mae": 0.1})
    init.return_value.finish.assert_called_once_with(exit_code=0)
    assert "no figure" in caplog.text


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
