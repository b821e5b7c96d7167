"""Shared by the tests of data sets: a folder of raw files that the test writes itself."""

from pathlib import Path

import pytest

from gnnlab.datasets.source import DataSource


@pytest.fixture
def source(tmp_path: Path) -> DataSource:
    return DataSource(str(tmp_path), download=False)
