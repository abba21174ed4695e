"""Pictures that cannot be read, found while measuring or training: one line, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from paco_prof.cli.app import run
from picture_folders import cut_off, write_pictures

MODEL = "--backbone test_resnet --image-size 64 --batch-size 4 -K 2 -r 1 -d 8 --device cpu --threads 1"


@pytest.mark.parametrize(
    "command",
    [
        "estimate --variant exact --epochs 1",
        "compare exact fused-loss --accuracy --epochs 1 --seeds 1",
        "breakdown --steps 1",
    ],
)
@pytest.mark.parametrize(("picture", "words"), [("a/00.jpg", "a/00.jpg"), (None, "num_classes=7")])
def test_it_is_one_line(
    command: str,
    picture: str | None,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path / "pictures", {"a": 2, "b": 5})
    wrong = "" if picture else "--num-classes 7"
    if picture:
        cut_off(tmp_path / "pictures" / picture)
    Path("run.json").write_text("before", encoding="utf-8")
    options = f"{MODEL} --data folder:pictures --output run.json --no-progress {wrong}"
    assert run([*command.split(), *options.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert Path("run.json").read_text(encoding="utf-8") == "before"
