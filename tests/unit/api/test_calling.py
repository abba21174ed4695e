"""The Python API as a whole."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import paco_prof
from paco_prof import breakdown, compare, estimate
from paco_prof.api.calling import in_python
from paco_prof.errors import UsageError


def test_importing_the_api_imports_no_torch() -> None:
    code = (
        "import sys, paco_prof.api; print([m for m in ('torch', 'timm', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("function", [breakdown, compare, estimate])
def test_every_argument_is_explained(function: Callable[..., Any]) -> None:
    assert getattr(paco_prof, function.__name__) is function
    for name in inspect.signature(function).parameters:
        assert re.search(rf"\b{name}\b.*:", function.__doc__ or ""), name


@pytest.mark.parametrize(
    ("words", "in_words_of_python"),
    [
        (
            "Something smaller may fit: --batch-size, -d, --num-classes.",
            "Something smaller may fit: batch_size, d, num_classes.",
        ),
        ("Use --set gamma=0.2 to change the variant.", "Use gamma=0.2 to change the variant."),
        ("Give it what it takes: --model-arg K=4.", "Give it what it takes: model_args K=4."),
        ("A well-known -- or pre-trained -- model of x-r.", "A well-known -- or pre-trained -- model of x-r."),
    ],
)
def test_errors_speak_of_arguments_and_not_of_options(words: str, in_words_of_python: str) -> None:
    error = UsageError("Something is wrong.", words)

    def fail() -> None:
        with in_python(breakdown):
            raise error

    with pytest.raises(UsageError) as told:
        fail()
    assert told.value.hint == in_words_of_python
