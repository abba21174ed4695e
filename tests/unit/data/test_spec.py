"""What --data may say, and what a record keeps of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from paco_prof.data.loading import open_data
from paco_prof.data.spec import data_name, folder_of, parse_data
from paco_prof.errors import UsageError


@pytest.mark.parametrize("name", ["digits", "synthetic"])
def test_names_stay_as_they_are(name: str) -> None:
    assert parse_data(name) == name
    assert folder_of(name) is None
    assert data_name(name) == name


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("digts", "Did you mean digits"),
        ("Synthetic", "Did you mean synthetic"),
        ("/data/birds", "folder:PATH"),
        ("", "folder:PATH"),
        ("folder:", "there is no path"),
        ("folder:nowhere", "nowhere does not exist"),
        ("folder:file", "file is not a folder"),
    ],
)
def test_what_is_neither_is_refused(given: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=words):
        parse_data(given)


def test_a_relative_folder_stays_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sets" / "birds").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    data = parse_data("folder:sets/birds")
    assert data == "folder:sets/birds"
    assert data_name(data) == "folder:birds"


def test_the_home_folder_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "somebody"
    (home / "birds").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    for given in (f"folder:{home / 'birds'}", "folder:~/birds"):
        data = parse_data(given)
        assert "somebody" not in data
        assert folder_of(data) == home / "birds"
    assert parse_data(f"folder:{home / 'birds'}") == "folder:~/birds"


def test_an_absolute_path_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "birds").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path / "here")
    data = parse_data(f"folder:{tmp_path / 'birds'}")
    assert data == "folder:../birds"
    assert data_name(data) == "folder:birds"


def test_the_working_folder_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "birds").mkdir()
    monkeypatch.chdir(tmp_path / "birds")
    assert data_name(parse_data("folder:.")) == "folder:birds"


def test_synthetic_data_cannot_be_opened() -> None:
    with pytest.raises(UsageError, match="no images to learn from"):
        open_data("synthetic")
