"""The options that name a model of the user's own, together. Free of torch until something is measured."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paco_prof.errors import PacoProfError, UsageError
from paco_prof.ranks import is_first_rank

if TYPE_CHECKING:
    from paco_prof.cli.set_aside import SetAside
    from paco_prof.measure.progress import Progress
    from paco_prof.records import BreakdownRecord
    from paco_prof.settings import Workload
    from paco_prof.user_code import UserCode
    from paco_prof.variants.variant import Variant

__all__ = ["Measuring", "OwnModel", "refuse_what_is_nowhere"]

STDERR = 2


@dataclass(frozen=True)
class Measuring:
    """A measurement while it goes on.

    Attributes:
        progress: to be told how far it is.
        aside: what is printed meanwhile; None where nothing is set aside.
    """

    progress: Progress
    aside: SetAside | None = None

    @property
    def stderr(self) -> int:
        """The descriptor on which the user is told of what ends this process on the spot."""
        return STDERR if self.aside is None else self.aside.descriptor

    def counted(self, record: BreakdownRecord) -> BreakdownRecord:
        """The record, with how much was printed."""
        if self.aside is None or record.user_code is None:
            return record
        user_code = record.user_code.model_copy(update={"printed": self.aside.lines})
        return record.model_copy(update={"user_code": user_code})


@dataclass(frozen=True)
class OwnModel:
    """What the options say about a model of the user's own; None, or nothing, is what was not given.

    Attributes:
        model: `module:factory`, or `path/to/file.py:factory`.
        arguments: of the factory, `name=value`.
        step: `module:function` that computes a step's losses.
        replace: `component=module:factory`, drop-ins.
    """

    model: str | None = None
    arguments: Sequence[str] = ()
    step: str | None = None
    replace: Sequence[str] = ()

    @property
    def is_given(self) -> bool:
        """Whether there is one."""
        return self.model is not None

    def variant(self, asked: str | None, default: str) -> str:
        """The variant that one measurement is of.

        Args:
            asked: by `--variant`; None by nobody.
            default: of PaCo-2 itself; a model of the user's own is measured as it is, or with the drop-ins that were
                named.

        Raises:
            UsageError: drop-ins were named, and the variant that was asked for has none of them.
        """
        if asked is not None:
            if self.replace:
                from paco_prof.variants.resolve import refuse_unused_drop_ins

                refuse_unused_drop_ins(self.variants(), [asked])
            return asked
        if not self.is_given:
            return default
        return "drop-in" if self.replace else "baseline"

    def settings(self, explicit: Mapping[str, Any]) -> dict[str, Any]:
        """The entries of the workload that say it.

        Args:
            explicit: settings of the baseline that options have chosen.

        Raises:
            UsageError: one of the options cannot be, or goes with another.
        """
        from paco_prof.user_code import parse_stages, refuse_settings_of_paco2
        from paco_prof.user_file import UserFile

        code = self._code()
        if code is None:
            if self.replace:
                raise UsageError("--replace goes with --model.", "Name your model, or leave the option away.")
            return {}
        refuse_settings_of_paco2(code.model, explicit)
        return {**code.settings(Path.cwd()), "stages": parse_stages(UserFile.find(Path.cwd()))}

    def variants(self) -> tuple[Variant, ...]:
        """`drop-in`, where `--replace` says what it is."""
        from paco_prof.user_code import parse_replacements
        from paco_prof.variants.catalogue import drop_in

        replacements = parse_replacements(self.replace, Path.cwd())
        return (drop_in({component: by.name for component, by in replacements.items()}),) if replacements else ()

    def folders(self) -> tuple[Path, ...]:
        """Where its modules are looked for first, before this folder."""
        code = self._code()
        return () if code is None else tuple(dict.fromkeys(folder.resolve() for folder in code.folders))

    def look_in_folders(self) -> None:
        """From now on this process finds its modules."""
        from paco_prof.user_code import look_in

        look_in(self.folders())

    @contextmanager
    def measuring(self, max_seconds: float, *, silent: bool) -> Iterator[Measuring]:
        """A measurement in this process. What a model of the user's own prints meanwhile is set aside, so that it
        garbles neither bar nor tables, and its lines are counted. Other ranks than the first print nothing either,
        warnings of Python code included; what C code says as it aborts is the only trace that it leaves, and stays.

        Args:
            max_seconds: of the bar.
            silent: show none.
        """
        from paco_prof.cli.progress import BarProgress, SilentProgress
        from paco_prof.cli.set_aside import set_aside

        self.look_in_folders()
        ended: PacoProfError | None = None
        with ExitStack() as stack:
            aside = stack.enter_context(set_aside()) if self.is_given else None
            if aside is None and not is_first_rank():
                nowhere = stack.enter_context(Path(os.devnull).open("w"))
                stack.enter_context(redirect_stdout(nowhere))
                stack.enter_context(redirect_stderr(nowhere))
            bar = SilentProgress() if silent else BarProgress(max_seconds, None if aside is None else aside.stream)
            stack.enter_context(bar)
            try:
                yield Measuring(bar, aside)
            except PacoProfError as error:
                ended = error
        if ended is not None:
            raise _with_last_words(ended, aside)

    def _code(self) -> UserCode | None:
        """The model with its drop-ins: what takes a component's place is found as the model itself is."""
        from paco_prof.user_code import parse_replacements, user_code

        code = user_code(self.model, self.arguments, self.step, Path.cwd())
        if code is None:
            return None
        drop_ins = parse_replacements(self.replace, Path.cwd()).values()
        folders = (*code.folders, *(by.folder for by in drop_ins if by.folder is not None))
        return replace(code, folders=tuple(dict.fromkeys(folders)))


def refuse_what_is_nowhere(workload: Workload, folder: Path) -> None:
    """Find out, before a comparison goes on, whether Python finds the modules that it is of; nothing is imported.

    Args:
        folder: that the command runs in.

    Raises:
        UsageError: one is not found. A file outside of the folder that the comparison began in had been named by its
            path, which no record keeps.
    """
    from importlib.machinery import PathFinder
    from importlib.util import find_spec

    looked_in = [str(folder / name) for name in (*workload.python_path, "", "src")]
    for name in (workload.model, workload.step, *(by for _, by in workload.replace)):
        module = "" if name is None else name.partition(":")[0].partition(".")[0]
        if not module or module in sys.modules or PathFinder.find_spec(module, looked_in) or find_spec(module):
            continue
        raise UsageError(
            f"{name}: there is no module {module} here, and a record keeps no folder outside of where it began.",
            "Go on where it began; a file from elsewhere is found where PYTHONPATH has its folder.",
        )


def _with_last_words(error: PacoProfError, aside: SetAside | None) -> PacoProfError:
    """An error with what the user's code printed last, where it ended the process: that says why, and was set aside."""
    words = [] if aside is None or "SystemExit" not in error.message else aside.last(1)
    if words:
        error.hint = f"It last printed {words[0].strip()!r}. {error.hint}".strip()
    return error
