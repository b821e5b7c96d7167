"""Shared by all tests: real data where there is some, and GPU tests where there is a GPU."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of raw data files that GNNLAB_MIRROR names."""
    if not (name := os.environ.get("GNNLAB_MIRROR")):
        pytest.skip("needs real data: GNNLAB_MIRROR names no folder of raw files")
    return Path(name)


@pytest.fixture(autouse=True)
def _level_of_our_log() -> Iterator[None]:
    """A command that a test runs in this process may set it."""
    log = logging.getLogger("gnnlab")
    before = log.level
    yield
    log.setLevel(before)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
