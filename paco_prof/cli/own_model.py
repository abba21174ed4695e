"""The options that name a model of the user's own, together. Free of torch until something is measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paco_prof.errors import UsageError

if TYPE_CHECKING:
    from paco_prof.cli.set_aside import SetAside
    from paco_prof.measure.progress import Progress
    from paco_prof.records import BreakdownRecord
    from paco_prof.user_code import UserCode
    from paco_prof.variants.variant import Variant

__all__ = ["Measuring", "OwnModel"]

# What a factory decides that --model names; the options are for PaCo-2 itself.
OF_PACO2 = {"backbone": "--backbone", "num_parts": "-K", "window": "-r", "dim": "-d"}


@dataclass(frozen=True)
class Measuring:
    """A measurement while it goes on.

    Attributes:
        progress: to be told how far it is.
        aside: what the user's model prints; None where nothing is set aside.
    """

    progress: Progress
    aside: SetAside | None = None

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
        """
        if asked is not None:
            return asked
        if not self.is_given:
            return default
        return "drop-in" if self.replace else "baseline"

    def settings(self, explicit: Mapping[str, Any]) -> dict[str, Any]:
        """The entries of the workload that say it.

        Args:
            explicit: settings that options of their own have chosen.

        Raises:
            UsageError: one of the options cannot be, or goes with another.
        """
        from paco_prof.user_code import parse_stages
        from paco_prof.user_file import UserFile

        code = self._code()
        if code is None:
            if self.replace:
                raise UsageError("--replace goes with --model.", "Name your model, or leave the option away.")
            return {}
        for name, option in OF_PACO2.items():
            if name in explicit:
                raise UsageError(
                    f"{option} is for PaCo-2 itself; {code.model} decides by its factory.",
                    f"Give it what it takes: --model-arg NAME={explicit[name]}.",
                )
        return {**code.settings(Path.cwd()), "stages": parse_stages(UserFile.find(Path.cwd()))}

    def variants(self) -> tuple[Variant, ...]:
        """`drop-in`, where `--replace` says what it is."""
        from paco_prof.user_code import parse_replacements
        from paco_prof.variants.catalogue import drop_in

        replacements, _ = parse_replacements(self.replace, Path.cwd())
        return (drop_in(replacements),) if replacements else ()

    def folders(self) -> tuple[Path, ...]:
        """Where its modules are looked for first, before this folder."""
        from paco_prof.user_code import parse_replacements

        code = self._code()
        _, others = parse_replacements(self.replace, Path.cwd())
        named = (*(() if code is None else code.folders), *others)
        return tuple(dict.fromkeys(folder.resolve() for folder in named))

    def look_in_folders(self) -> None:
        """From now on this process finds its modules."""
        from paco_prof.user_code import look_in

        look_in(self.folders())

    @contextmanager
    def measuring(self, max_seconds: float, *, silent: bool) -> Iterator[Measuring]:
        """A measurement in this process. What a model of the user's own prints meanwhile is set aside, so that it
        garbles neither bar nor tables, and its lines are counted.

        Args:
            max_seconds: of the bar.
            silent: show none.
        """
        from paco_prof.cli.progress import BarProgress, SilentProgress
        from paco_prof.cli.set_aside import set_aside

        self.look_in_folders()
        with ExitStack() as stack:
            aside = stack.enter_context(set_aside()) if self.is_given else None
            bar = SilentProgress() if silent else BarProgress(max_seconds, None if aside is None else aside.stream)
            stack.enter_context(bar)
            yield Measuring(bar, aside)

    def _code(self) -> UserCode | None:
        from paco_prof.user_code import user_code

        return user_code(self.model, self.arguments, self.step, Path.cwd())
