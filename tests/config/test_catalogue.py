"""`list`: every part there is, in a line."""

from pathlib import Path

import pytest

from gnnlab.config import conf_dir
from gnnlab.config.catalogue import entries, main
from gnnlab.errors import UsageError

ENTRIES = list(entries(conf_dir()))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.group}={entry.name}")
def test_every_part_says_what_it_is(entry) -> None:
    assert len(entry.text) > 5


def test_a_group_alone(capsys: pytest.CaptureFixture[str]) -> None:
    main(["model/head"], conf_dir())
    printed = capsys.readouterr().out
    assert "pyramid" in printed
    assert "[needs edge_level]" in printed
    assert "gps" not in printed.splitlines()


def test_parts_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "model" / "conv" / "mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("# Mine (2026): a sum.\n_target_: my_convs.Sum\n")
    main(["model/conv", "--config-dir", str(tmp_path)], conf_dir())
    printed = capsys.readouterr().out
    assert "mine" in printed
    assert "Mine (2026): a sum." in printed


def test_no_such_group() -> None:
    with pytest.raises(UsageError, match="did you mean model"):
        main(["mdel"], conf_dir())
    with pytest.raises(UsageError, match="There is no group gpss; did you mean model, which has gps"):
        main(["gpss"], conf_dir())


def test_a_folder_that_is_not_there_and_a_file_that_is_not_yaml(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such folder"):
        main(["--config-dir", str(tmp_path / "nowhere")], conf_dir())
    (tmp_path / "model").mkdir()
    (tmp_path / "model/mine.yaml").write_text("_target_: [unclosed\n")
    with pytest.raises(UsageError, match=r"mine\.yaml is not YAML"):
        main(["--config-dir", str(tmp_path)], conf_dir())
