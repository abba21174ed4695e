"""`paco-prof history`: a folder of records as a report, a picture and JSON, and one line for what is none."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from builders import CPU, EXAMPLES, cpu_record
from histories import commit, step_record
from paco_prof.cli.app import run
from paco_prof.store import write_record


def fill(folder: Path, num: int = 20, factor: float = 1.2) -> None:
    """A record a commit; from the middle on the step is slower."""
    folder.mkdir(exist_ok=True)
    for number in range(num):
        slower = factor if number >= num // 2 else 1.0
        write_record(folder / f"{number:02}.json", step_record(number, 0.1 * slower * (1 + 0.004 * (number % 3))))


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a command line ends in, with exit code 2 and nothing on standard output."""
    code = run(["history", *arguments])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("paco-prof: ")
    return captured.err


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["history", *arguments]) == 0
    return " ".join(capsys.readouterr().out.split())


def data_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["history", "--json", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return dict(json.loads(captured.out))


def test_a_folder_is_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path)
    out = shown(capsys, str(tmp_path))
    assert "paco-prof history: 20 commits, 20 records" in out
    assert f"Since commit {commit(10)} the step of resnet50, batch 8, 224 px is 20.0 % slower (" in out


def test_reports_is_read_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path, 2)
    assert "2 commits" in shown(capsys)
    fill(tmp_path / "reports", 3)
    assert "3 commits" in shown(capsys)


def test_markdown_and_picture_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path)
    report, picture = tmp_path / "report.md", tmp_path / "out.png"
    arguments = ["history", str(tmp_path), "--markdown", str(report), "--plot", str(picture)]
    assert run([*arguments, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert "slower by 20.0 %" in report.read_text(encoding="utf-8")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert run(arguments) == 0
    assert capsys.readouterr().err.splitlines() == [f"Wrote {report}.", f"Wrote {picture}."]


def test_json_is_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path)
    (series,) = data_of(capsys, str(tmp_path))["series"]
    assert [point["commit"] for point in series["points"]] == [commit(number) for number in range(20)]
    (change,) = series["changes"]
    assert (change["commit"], change["direction"]) == (commit(10), "slower")
    assert change["relative"] == pytest.approx(0.2)


def test_what_is_no_record_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, 2)
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "cut_off.json").write_text(cpu_record().model_dump_json()[:900])
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "quoted.json").write_bytes((EXAMPLES / "analysis_batch8.json").read_bytes())
    left = data_of(capsys, str(tmp_path))["left_out"]
    assert left["unread"] == ["bytes.json", "cut_off.json", "list.json"]
    assert left["quoted"] == ["quoted.json"]


class TestRepository:
    """The order of commits, where there is a repository."""

    @pytest.fixture
    def repository(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Three commits, and their records in the opposite order of time."""
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            monkeypatch.delenv(name)
        folder = tmp_path / "project"
        folder.mkdir()
        self.git(folder, "init", "--quiet")
        for number in range(3):
            self.git(folder, "commit", "--quiet", "--allow-empty", "-m", str(number))
        hashes = self.git(folder, "rev-list", "HEAD").split()
        (folder / "reports").mkdir()
        for number, code in enumerate(hashes):
            environment = CPU.model_copy(update={"commit": code[:12]})
            write_record(folder / "reports" / f"{number}.json", step_record(number, 0.1, environment=environment))
        return folder

    @staticmethod
    def git(folder: Path, *arguments: str) -> str:
        settings = ["-c", "user.name=A", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *settings, *arguments], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout

    def codes(self, capsys: pytest.CaptureFixture[str], folder: Path) -> tuple[str, list[str]]:
        data = data_of(capsys, str(folder / "reports"))
        return data["order"], [point["commit"] for point in data["series"][0]["points"]]

    def test_commits_stand_in_their_own_order(self, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
        oldest_first = [code[:12] for code in self.git(repository, "rev-list", "--reverse", "HEAD").split()]
        assert self.codes(capsys, repository) == ("commits", oldest_first)

    def test_variables_of_a_hook_lead_nowhere_else(
        self, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("GIT_DIR", str(repository / "nowhere"))
        assert self.codes(capsys, repository)[0] == "commits"

    def test_without_git_dates_decide(
        self, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("PATH", str(repository))
        newest_first = [code[:12] for code in self.git_log(repository)]
        assert self.codes(capsys, repository) == ("dates", newest_first)

    @staticmethod
    def git_log(repository: Path) -> list[str]:
        """What the records say, without asking git."""
        records = sorted((repository / "reports").glob("*.json"))
        return [json.loads(path.read_text())["environment"]["commit"] for path in records]


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "There is no folder" in fails(capsys, str(tmp_path / "none"))


def test_a_file_is_no_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not a folder" in fails(capsys, str(EXAMPLES / "analysis_batch8.json"))


def test_a_folder_without_a_step_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "It holds no JSON file" in fails(capsys, str(tmp_path))
    (tmp_path / "list.json").write_text("[]")
    write_record(tmp_path / "early.json", step_record(0, 0.1, training=None))
    message = fails(capsys, str(tmp_path))
    assert "holds no record of a training step" in message
    assert "list.json" in message
    assert "early.json" in message


def test_an_output_that_cannot_be_written_is_found_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, 2)
    assert "does not exist" in fails(capsys, str(tmp_path), "--markdown", str(tmp_path / "nowhere" / "out.md"))
    assert ".png" in fails(capsys, str(tmp_path), "--plot", str(tmp_path / "out.gif"))
    both = str(tmp_path / "out.png")
    assert "same file" in fails(capsys, str(tmp_path), "--plot", both, "--markdown", both)


def test_no_record_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, 2)
    path = tmp_path / "00.json"
    before = path.read_bytes()
    assert "written over" in fails(capsys, str(tmp_path), "--markdown", str(path))
    assert path.read_bytes() == before
