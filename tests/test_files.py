"""A file is replaced at once or not at all."""

import ast
from pathlib import Path

import pytest

import gnnlab
from gnnlab.files import replacing

NOT_OF_A_PATH = {"os", "gzip", "RunFolder"}
"""What else has an `open`."""


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


@pytest.mark.parametrize("path", sorted(Path(gnnlab.__file__).parent.rglob("*.py")), ids=lambda path: path.name)
def test_texts_are_utf_8_wherever_one_is(path: Path) -> None:
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        opens = call.func.attr == "open" and getattr(call.func.value, "id", "") not in NOT_OF_A_PATH
        binary = any(isinstance(given, ast.Constant) and "b" in str(given.value) for given in call.args)
        if call.func.attr in ("read_text", "write_text") or (opens and not binary):
            assert "encoding" in {keyword.arg for keyword in call.keywords}, f"{path}:{call.lineno}"
