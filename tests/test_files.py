"""A file is replaced at once or not at all."""

from pathlib import Path

import pytest

from gnnlab.files import replacing


def test_the_file_is_the_old_one_until_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    with pytest.raises(FileNotFoundError), replacing(path) as draft:
        draft.with_name("missing").rename(draft)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
