"""Bad input that only building the model can tell: still one line, and nothing is written.

In this process, which imports torch once for all of them.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from paco_prof.cli.app import run

MODEL = "--backbone test_resnet --image-size 96 -K 3 -r 3 -d 8 --num-classes 5 --device cpu --batch-size 2"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--backbone resnet51", "resnet50"),
        ("--backbone nothing_like_it", "timm"),
        ("-K 10", "3 x 3 = 9 pixels"),
        ("-r 4", "odd"),
        ("--device gpu", "cuda"),
        ("--device cuda:77", "--device"),
        ("--device xpu", "--device cpu"),
        ("--batch-size 1000000000000000", "--batch-size"),
    ],
)
def test_it_is_one_line(
    arguments: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = run(["breakdown", *shlex.split(f"{MODEL} --output run.json {arguments}")])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("paco-prof: ")
    assert words in captured.err
    assert list(tmp_path.iterdir()) == []
