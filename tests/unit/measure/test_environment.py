"""What a record says about the machine, and what it must not say."""

import getpass
import socket
from pathlib import Path

import pytest
import torch

from paco_prof.measure.environment import describe_environment
from paco_prof.measure.shareable import scrub, shareable_command


def test_the_machine_is_described_without_naming_it() -> None:
    environment = describe_environment(torch.device("cpu"))
    text = environment.model_dump_json()
    assert environment.cores >= 1
    assert environment.memory_bytes > 1e8
    assert environment.versions["torch"] == torch.__version__
    assert socket.gethostname() not in text
    assert f"/{getpass.getuser()}" not in text


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("/home/ada/runs/run.json", "run.json"),
        ("--output=/home/ada/run.json", "--output=run.json"),
        ("failed in /home/ada/model.py, line 3", "failed in model.py, line 3"),
        (r"C:\Users\ada\run.json", "run.json"),
        ("cannot open /home/ada", "cannot open ~"),
        ("/Users/ada/model.py, line 3", "model.py, line 3"),
        ("reports/run.json", "reports/run.json"),
        ("a/b ratio of 1/2", "a/b ratio of 1/2"),
        ("../run.json", "../run.json"),
    ],
)
def test_absolute_paths_lose_their_folders(text: str, scrubbed: str) -> None:
    assert scrub(text) == scrubbed


def test_the_home_folder_is_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/data/ada lovelace"))
    assert scrub("failed in /data/ada lovelace/model.py") == "failed in model.py"


def test_a_command_is_kept_as_it_was_typed_but_for_folders() -> None:
    command = ["paco-prof", "breakdown", "-K", "3", "--output", "/tmp/x/run.json"]
    assert shareable_command(command) == ("paco-prof", "breakdown", "-K", "3", "--output", "run.json")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("--address login01.hpc.example.org:6379", "--address HOST:PORT"),
        ("--address=login01.hpc.example.org:6379", "--address=HOST:PORT"),
        ("--address ray://10.0.0.7:10001", "--address HOST:PORT"),
        ("--address auto", "--address auto"),
        ("--address=auto", "--address=auto"),
    ],
)
def test_of_a_cluster_a_command_does_not_tell_which(typed: str, kept: str) -> None:
    command = ["paco-prof", "ablate", *typed.split(), "--output", "run.json"]
    assert shareable_command(command) == ("paco-prof", "ablate", *kept.split(), "--output", "run.json")
