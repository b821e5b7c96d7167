"""What the command line prints, and with which code it ends."""

import errno
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from omegaconf import DictConfig

import gnnlab
from gnnlab.cli import main
from gnnlab.errors import Interrupted, RunStopped, UsageError

Cli = Callable[..., int]
FAILURES = {
    2: UsageError("no room"),
    3: RunStopped("loss is NaN"),
    4: ValueError("a bug"),
    6: Interrupted("state kept", signal.SIGTERM),
    9: KeyboardInterrupt(),
}


@pytest.fixture
def seen() -> list[DictConfig]:
    """The configs that were run."""
    return []


@pytest.fixture
def cli(conf: Path, seen: list[DictConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """The command line over the small project and a run that only looks at its config."""

    def run(cfg: DictConfig) -> float:
        seen.append(cfg)
        if cfg.seed in FAILURES:
            raise FAILURES[cfg.seed]
        return 0.5

    module = ModuleType("gnnlab.pipeline")
    monkeypatch.setattr(module, "objective", run, raising=False)
    monkeypatch.setitem(sys.modules, "gnnlab.pipeline", module)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["train.py", "allow=[standin]", *arguments])
        try:
            return main()
        except SystemExit as end:
            return int(end.code or 0)

    return call


@pytest.mark.parametrize(("seed", "code"), [(0, 0), (2, 2), (3, 1), (4, 1), (6, 143), (9, 130)])
def test_exit_codes(cli: Cli, capsys: pytest.CaptureFixture[str], seed: int, code: int) -> None:
    assert cli(f"seed={seed}") == code
    error = capsys.readouterr().err
    assert ("Traceback" in error) == (seed == 4)
    assert {2: "error: no room\n", 3: "loss is NaN\n", 4: "ValueError: a bug\n"}.get(seed, "") in error


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("trainer.max_epoch=3", "error: There is no setting trainer.max_epoch; did you mean trainer.max_epochs?"),
        ("model=net,walknet", "error: model=net,walknet asks for several runs: add -m."),
        (
            "out=a=b",
            "error: 'out=a=b' is not of the form key=value: mismatched input '=' expecting <EOF>. A text with such "
            "signs takes quotes of its own: 'out=\"a=b\"'.",
        ),
        (
            "out=~/x",
            "error: 'out=~/x' is not of the form key=value: LexerNoViableAltException: out=~/x. The folder that ~",
        ),
        ("lst model", "error: `python -m gnnlab list` lists the parts there are"),
        ("--lr 0.1", "error: There is no option --lr: settings are typed as key=value, without dashes; did you mean"),
    ],
)
def test_a_refused_request_is_one_line(
    cli: Cli, seen: list[DictConfig], capsys: pytest.CaptureFixture[str], typed: str, message: str
) -> None:
    assert cli(*typed.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1
    assert not seen


def test_a_sweep_gives_every_job_its_preset(cli: Cli, seen: list[DictConfig]) -> None:
    assert cli("-m", "dataset=tiny,molecules", "seed=0,1") == 0
    assert [(cfg.seed, cfg.model.hidden_dim) for cfg in seen] == [(0, 8), (1, 8), (0, 64), (1, 64)]


def test_no_job_starts_if_one_is_refused(cli: Cli, seen: list[DictConfig], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli("-m", "dataset=molecules,tiny", "model/conv=edge") == 2
    assert not seen
    assert capsys.readouterr().err.startswith("error: model/conv=edge needs edge features, which dataset=tiny does not")


def test_a_failing_job_says_why_and_the_rest_go_on(
    cli: Cli, seen: list[DictConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("-m", "seed=1,4,2,5") == 2
    assert [cfg.seed for cfg in seen] == [1, 4, 2, 5]
    printed = capsys.readouterr()
    assert "error: job 2: no room" in printed.err
    assert "ValueError: a bug" in printed.err
    assert "job 3: allow=[standin] seed=5" in printed.out
    assert cli("-m", "seed=1,3") == 1


def test_a_value_named_twice_runs_once(cli: Cli, seen: list[DictConfig], caplog: pytest.LogCaptureFixture) -> None:
    assert cli("-m", "seed=1,5,1", "optimizer.lr=0.1,1e-1") == 0
    assert [cfg.seed for cfg in seen] == [1, 5]
    assert "seed=1,5,1 names a value twice: it runs once." in caplog.text


def test_two_jobs_that_are_one_run_are_refused(
    cli: Cli, seen: list[DictConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("-m", "seed=0,1", "ops=reference,fused") == 2
    assert not seen
    assert capsys.readouterr().err.startswith("error: ops=reference and ops=fused are one run under one name")
    assert cli("-m", "ops=reference,fused", "resume=never") == 0
    assert cli("-m", "ops=reference", "out=a,b") == 0
    assert [(cfg.ops, cfg.out) for cfg in seen] == [
        ("reference", "runs"),
        ("fused", "runs"),
        ("reference", "a"),
        ("reference", "b"),
    ]


def test_a_full_disk_is_named(cli: Cli, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gnnlab.cli.arrange", full)
    assert cli() == 2
    error = capsys.readouterr().err
    assert "No space left on device" in error
    assert "None" not in error


def test_a_signal_ends_the_sweep(cli: Cli, seen: list[DictConfig]) -> None:
    assert cli("-m", "seed=1,6,5") == 143
    assert [cfg.seed for cfg in seen] == [1, 6]


def test_a_sweep_that_cannot_make_its_folder_is_a_refused_request(
    cli: Cli, tmp_path: Path, seen: list[DictConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert cli("-m", "seed=0,1", f"out={tmp_path}/file/runs") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: Cannot open or make")
    assert error.count("\n") == 1
    assert "out=FOLDER" in error
    assert not seen


def test_of_several_processes_one_prints_a_mistake(
    cli: Cli, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert cli("seed=2") == 2
    assert cli("seed=one") == 2
    assert not capsys.readouterr().err


def test_a_sweep_hidden_in_a_file_cannot_allow_packages(cli: Cli, conf: Path, seen: list[DictConfig]) -> None:
    (conf / "experiment" / "sly.yaml").write_text(
        "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {allow: '[os]', model._target_: os.system}}}\n"
    )
    assert cli("experiment=sly") == 2
    assert not seen


def test_hydra_leaves_no_files(cli: Cli, tmp_path: Path) -> None:
    assert cli("seed=1") == 0
    assert {path.name for path in tmp_path.iterdir()} == {"code", "conf"}


def test_help_and_refusals_import_no_torch() -> None:
    for typed in ("--help", "trainer.max_epoch=3", "--cfg job"):
        program = (
            f"import sys; sys.argv = ['train.py', *{typed.split()!r}]\n"
            "from gnnlab.cli import main\n"
            "try: code = main()\n"
            "except SystemExit as end: code = end.code\n"
            "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
            "sys.exit(code)"
        )
        root = Path(gnnlab.__file__).parents[1]
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=False)
        assert ended.returncode == (2 if "epoch" in typed else 0), ended.stderr
        if typed == "--help":
            assert "python train.py model=gps dataset=zinc" in ended.stdout
            assert "model/conv: " in ended.stdout
