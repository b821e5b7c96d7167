"""The cache: computed once, whole or not at all, and never a reason to lose a result."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gnnlab.cache import Cache, source_hash
from gnnlab.packed import Packed
from gnnlab.testing import graphs_of_all_kinds


class Counted:
    """A computation that counts how often it runs."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> dict:
        self.calls += 1
        return {"a": torch.arange(1000), "b": {"c": torch.eye(2)}}


def entry(root: Path) -> Path:
    return next(root.glob("kind/*/data.pt"))


def test_an_entry_is_computed_once_and_comes_back_equal(tmp_path: Path) -> None:
    build = Counted()
    for _ in range(3):
        found = Cache(tmp_path).tensors("kind", {"k": 1}, build)
        assert torch.equal(found["a"], torch.arange(1000))
        assert torch.equal(found["b"]["c"], torch.eye(2))
    assert build.calls == 1
    stored = json.loads(entry(tmp_path).with_name("key.json").read_text())
    assert stored["key"] == {"k": 1, "code": source_hash()}


def test_another_key_is_another_entry_and_order_does_not_matter(tmp_path: Path) -> None:
    build, cache = Counted(), Cache(tmp_path)
    cache.tensors("kind", {"a": 1, "b": [2]}, build)
    cache.tensors("kind", {"b": [2], "a": 1}, build)
    assert build.calls == 1
    cache.tensors("kind", {"a": 1, "b": [3]}, build)
    cache.tensors("other", {"a": 1, "b": [2]}, build)
    assert build.calls == 3


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "no key", "no data"])
def test_a_damaged_entry_is_noticed_and_made_anew(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    build, cache = Counted(), Cache(tmp_path)
    cache.tensors("kind", {}, build)
    data = entry(tmp_path)
    whole = data.read_bytes()
    middle = len(whole) // 2
    match damage:
        case "truncated":
            data.write_bytes(whole[:middle])
        case "flipped":
            data.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
        case "empty":
            data.write_bytes(b"")
        case "no key":
            data.with_name("key.json").unlink()
        case "no data":
            data.unlink()
    with caplog.at_level(logging.WARNING):
        found = cache.tensors("kind", {}, build)
    assert torch.equal(found["a"], torch.arange(1000))
    assert [record.message for record in caplog.records if "damaged" in record.message]
    assert len(caplog.records) == 1
    cache.tensors("kind", {}, build)
    assert build.calls == 2


def test_a_result_that_cannot_be_stored_is_still_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    found = Cache(tmp_path).tensors("kind", {}, Counted())
    assert torch.equal(found["a"], torch.arange(1000))
    assert "No space left on device" in caplog.text
    assert not list(tmp_path.glob("kind/*/*"))


def test_a_root_that_cannot_be_made_is_no_reason_to_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    found = Cache(tmp_path / "file" / "cache").tensors("kind", {}, Counted())
    assert torch.equal(found["a"], torch.arange(1000))
    assert "is not kept for the next run" in caplog.text


def test_a_failed_computation_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> dict:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Cache(tmp_path).tensors("kind", {}, fail)
    build = Counted()
    Cache(tmp_path).tensors("kind", {}, build)
    assert build.calls == 1


def test_a_view_is_stored_without_the_rest_of_its_storage(tmp_path: Path) -> None:
    Cache(tmp_path).tensors("kind", {}, lambda: {"row": torch.zeros(1000, 1000)[0]})
    assert entry(tmp_path).stat().st_size < 100_000


def test_splits_come_back_as_they_went(tmp_path: Path) -> None:
    packed = Packed.from_graphs(graphs_of_all_kinds())
    for _ in range(2):
        found = Cache(tmp_path).packed("kind", {}, lambda: {"train": packed})["train"]
        ours, expected = found.batch(), packed.batch()
        for name in ("edge_index", "transpose", "rowptr", "x", "edge_attr", "y"):
            assert torch.equal(getattr(ours, name), getattr(expected, name)), name


TOGETHER = """
import sys, time, pathlib, torch
from gnnlab.cache import Cache
def build():
    with open(sys.argv[1] + "/calls", "a") as file: file.write("x")
    time.sleep(1)
    return {"a": torch.arange(9)}
assert Cache(sys.argv[1]).tensors("kind", {}, build)["a"].sum() == 36
"""


def test_two_processes_at_once_compute_it_once(tmp_path: Path) -> None:
    both = [subprocess.Popen([sys.executable, "-c", TOGETHER, str(tmp_path)]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert (tmp_path / "calls").read_text() == "x"
    assert not list(tmp_path.rglob("*.draft"))


def test_the_code_is_part_of_a_key(tmp_path: Path) -> None:
    assert source_hash(Cache) == source_hash(Cache, source_hash)
    assert source_hash(Cache) != source_hash(Packed)
    build = Counted()
    for part in (Cache, Packed, Cache):
        Cache(tmp_path).tensors("kind", {}, build, code=[part])
    assert build.calls == 2


def test_inherited_code_counts_and_pythons_own_does_not() -> None:
    class Heir(Packed, dict):
        pass

    assert source_hash(Heir) == source_hash(Counted, Packed)


def test_code_without_a_file_is_computed_anew(tmp_path: Path) -> None:
    class Notebook(Packed):
        pass

    Notebook.__module__ = "builtins_of_a_notebook"
    build = Counted()
    for _ in range(2):
        Cache(tmp_path).tensors("kind", {}, build, code=[Notebook])
    assert build.calls == 2
    assert not list(tmp_path.iterdir())


REDEFINED = """
import sys, torch
from gnnlab.cache import Cache
for number in (1, 2):
    class Part: pass
    assert Cache(sys.argv[1]).tensors("kind", {}, lambda: {"a": torch.tensor(number)}, code=[Part])["a"] == number
"""


def test_a_class_redefined_in_a_session_is_not_given_its_old_values(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", REDEFINED, str(tmp_path)], check=True)
