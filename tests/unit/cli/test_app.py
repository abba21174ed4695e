"""The command line as a whole: help, version, and one line for everything that is wrong."""

from __future__ import annotations

import sys

import pytest

from paco_prof import __version__
from paco_prof.cli import app as cli
from paco_prof.errors import MeasurementError, UsageError


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command line."""
    code = cli.run(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_the_commands(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    code, out, err = outcome(capsys, *arguments)
    assert (code, err) == (0, "")
    for command in ("breakdown", "show", "variants"):
        assert command in out


@pytest.mark.parametrize(
    "option",
    [
        "--batch-size",
        "--backbone",
        "--image-size",
        "--num-classes",
        "-K",
        "-r",
        "-d",
        "--device",
        "--warmup",
        "--steps",
        "--max-seconds",
        "--seed",
        "--threads",
        "--output",
        "--markdown",
        "--plot",
        "--trace",
        "--no-progress",
        "--quiet",
        "--variant",
        "--set",
        "--no-fidelity",
        "--epoch",
    ],
)
def test_help_of_breakdown_names_every_option(capsys: pytest.CaptureFixture[str], option: str) -> None:
    code, out, _ = outcome(capsys, "breakdown", "--help")
    assert code == 0
    assert option in out.split() or f"{option}," in out.split()


def test_help_of_breakdown_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = outcome(capsys, "breakdown", "--help")
    assert "0 done, 2 bad input, 4 the measured code failed, 130 interrupted" in " ".join(out.split())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(capsys, "--version") == (0, f"paco-prof {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nonsense",), "nonsense"),
        (("--nonsense",), "--nonsense"),
        (("breakdown", "extra"), "extra"),
        (("breakdown", "--batchsize", "8"), "--batchsize"),
        (("breakdown", "--batch-size"), "--batch-size"),
        (("show",), "RUN.JSON"),
        (("show", "a.json", "b.json"), "b.json"),
        (("variants", "exact"), "exact"),
        (("breakdown", "--variant"), "--variant"),
        (("breakdown", "--no-fidelity=3"), "--no-fidelity"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_names_it(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = outcome(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("paco-prof: ")
    assert words in err


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError("K is 9.", "Use 3."), 2), (MeasurementError("It broke."), 4), (KeyboardInterrupt(), 130)],
)
def test_errors_become_a_line_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(**_settings: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    found, out, err = outcome(capsys, "breakdown")
    assert (found, out) == (code, "")
    assert err.startswith("paco-prof: ")
    assert err.count("\n") == 1
    assert str(error) in err


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody expected keeps its traceback."""

    def fail(**_settings: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(ZeroDivisionError):
        cli.run(["breakdown"])


def test_a_bug_does_not_end_with_the_exit_code_of_a_regression(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_settings: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(sys, "argv", ["paco-prof", "check"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 4
    assert "Traceback" in capsys.readouterr().err
