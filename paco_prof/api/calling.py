"""What all calls of the Python API have in common: settings by name, progress, and errors in Python's words."""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from paco_prof.errors import InterruptedRunError, PacoProfError, UsageError
from paco_prof.measure.progress import Progress
from paco_prof.measure.worker_process import IN_WORKER
from paco_prof.settings import canonical

__all__ = ["Told", "checked", "handed_back", "in_python", "shown_by", "split_settings"]

Tell = Callable[[str], object] | None
Told = Progress | Tell
Result = TypeVar("Result")
Checked = TypeVar("Checked", bound=BaseModel)
# Settings of the baseline, as those are that have options of their own on the command line. All others are changes on
# top of a variant.
OF_BASELINE = ("backbone", "batch_size", "image_size", "num_classes", "num_parts", "window", "dim", "workers")
# What options are called in Python; any other has its own name.
IN_PYTHON = {"no-fidelity": "fidelity=False", "model-arg": "model_args", "from": "source"}


@contextmanager
def in_python(function: Callable[..., Any]) -> Iterator[None]:
    """A call of the API: errors name arguments and not options, and none begins where a worker imports a script.

    Raises:
        UsageError: one does.
    """
    if IN_WORKER in os.environ:
        raise UsageError(
            f"paco_prof.{function.__name__} is called while a process that measures imports this file. "
            'Put the call below if __name__ == "__main__":'
        )
    try:
        yield
    except PacoProfError as error:
        error.message, error.hint = _in_python(error.message), _in_python(error.hint)
        error.args = (error.message,)
        raise


def _in_python(text: str) -> str:
    text = re.sub(r"--set (?=\S+=)|(?<![\w-])-(?=[Krd]\b)", "", text)
    return re.sub(
        r"(?<![\w-])--([a-z][a-z-]*)", lambda found: IN_PYTHON.get(found[1], found[1].replace("-", "_")), text
    )


def split_settings(function: Callable[..., Any], settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of the baseline, and those on top of a variant, by their own names.

    Raises:
        UsageError: there is no such setting.
    """
    arguments = list(inspect.signature(function).parameters)
    explicit: dict[str, Any] = {}
    overrides: dict[str, Any] = {}
    for name, value in settings.items():
        near = difflib.get_close_matches(name, arguments, n=1)
        try:
            own_name = canonical(name)
        except UsageError as error:
            hint = f"Did you mean {near[0]}?" if near else error.hint
            raise UsageError(f"{name!r} is neither an argument of {function.__name__} nor a setting.", hint) from error
        (explicit if own_name in OF_BASELINE else overrides)[own_name] = value
    return explicit, overrides


def checked(kind: type[Checked], **values: Any) -> Checked:
    """A part of a record made of what a caller has given.

    Raises:
        UsageError: one of the values cannot be.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        raise UsageError(f"{name}={values.get(name)!r} {first['msg'].removeprefix('Input ')}.") from error


def handed_back(result: Result, ended: PacoProfError | None, cause: BaseException | None) -> Result:
    """The result of a call that has come to its end, or was interrupted, which the result says itself.

    Raises:
        PacoProfError: it has failed; the error holds the result.
    """
    if ended is None or isinstance(ended, InterruptedRunError):
        return result
    ended.result = result
    raise ended from (None if cause is ended else cause)


def shown_by(progress: Told) -> Progress:
    """Whoever is told how far a run is: nobody, what knows how to, or a function that is given a line at a time."""
    return cast(Progress, progress) if hasattr(progress, "begin") else _Lines(progress)


class _Lines:
    """Tells each part of a run as it begins."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def begin(self, what: str) -> None:
        """See `paco_prof.measure.progress.Progress.begin`."""
        if self._tell is not None:
            self._tell(what)

    def update(self, elapsed: float, left: float) -> None:
        """See `paco_prof.measure.progress.Progress.update`."""
