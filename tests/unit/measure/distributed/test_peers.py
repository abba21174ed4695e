"""Which processes share the numbers by which they are looked after."""

from __future__ import annotations

from pathlib import Path

import pytest

from paco_prof.measure.distributed.peers import process_space


def kernel(folder: Path, boot: str) -> Path:
    """What the kernel tells of a machine that was started once, to the processes of one namespace."""
    for name, text in (("sys/kernel/random/boot_id", boot), ("self/ns/pid", "")):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("boot", ["one\n", "another\n"])
def test_pods_that_share_a_name_do_not_share_their_processes(tmp_path: Path, boot: str) -> None:
    first, second = kernel(tmp_path / "first", "one\n"), kernel(tmp_path / "second", boot)
    assert process_space(first) == process_space(first)
    assert process_space(first) != process_space(second)


def test_without_a_kernel_that_tells_the_name_has_to_do(tmp_path: Path) -> None:
    assert process_space(tmp_path) == process_space(tmp_path / "nowhere")
