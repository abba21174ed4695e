"""`import paco_prof` costs nothing, and every public name is there when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import paco_prof


@pytest.mark.parametrize("name", paco_prof.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(paco_prof, name) is not None
    assert name in dir(paco_prof)


def test_a_typo_is_an_attribute_error_and_not_silence() -> None:
    with pytest.raises(AttributeError, match="PacoModel"):
        paco_prof.PacoModel  # noqa: B018


def test_importing_the_package_imports_neither_torch_nor_pandas() -> None:
    code = (
        "import sys, paco_prof; paco_prof.stage; paco_prof.read_record; paco_prof.breakdown; paco_prof.Estimate; "
        "print([m for m in ('torch', 'timm', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
