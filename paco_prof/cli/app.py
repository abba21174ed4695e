"""The commands put together, and the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import io
import os
import sys
import time
import traceback
from contextlib import suppress
from typing import Annotated, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from paco_prof import __version__
from paco_prof.cli.ablate import ablate
from paco_prof.cli.baseline import app as baseline
from paco_prof.cli.breakdown import breakdown
from paco_prof.cli.check import check
from paco_prof.cli.compare import compare
from paco_prof.cli.doctor import doctor
from paco_prof.cli.estimate import estimate
from paco_prof.cli.groups import spelled_out
from paco_prof.cli.history import history
from paco_prof.cli.scale import scale
from paco_prof.cli.show import show
from paco_prof.cli.train import train
from paco_prof.cli.variants import variants
from paco_prof.errors import ExitCode, PacoProfError, RankError, UsageError
from paco_prof.ranks import is_first_rank, this_place

__all__ = ["app", "main"]

# A rank that is alone with its error has this long to find out: torchrun ends it where the first one has failed too.
SECONDS_FOR_THE_FIRST = 6.0
# And this much more for each that comes before it on its machine, which then tells for both.
SECONDS_FOR_EACH = 2.0
# What several processes do together; all else is one process's.
OVER_RANKS = ("breakdown", "train", "compare", "ablate")

app = typer.Typer(
    name="paco-prof",
    help="Where every millisecond of a PaCo-2 training step goes.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(spelled_out(breakdown))
app.command()(spelled_out(compare))
app.command()(spelled_out(ablate))
app.command()(spelled_out(scale))
app.command()(spelled_out(estimate))
app.command()(spelled_out(train))
app.command()(spelled_out(check))
app.command()(doctor)
app.add_typer(baseline, name="baseline")
app.command()(show)
app.command()(history)
app.command()(variants)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"paco-prof {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Where every millisecond of a PaCo-2 training step goes, and what makes it faster."""
    command = context.invoked_subcommand
    if command not in OVER_RANKS and not this_place().is_alone:
        raise UsageError(
            f"{command} is one process's, and torchrun has started several.",
            f"Run it without torchrun, which is for {', '.join(OVER_RANKS)}.",
        )


def main() -> None:
    """Run the command line; every expected error ends in one line on standard error."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no dashes gets question marks, not a traceback in the place of a report.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = run(sys.argv[1:])
    except Exception:
        # A fault of ours keeps its traceback. Python would end with 1, which to whoever reads codes is a regression.
        traceback.print_exc()
        code = ExitCode.MEASUREMENT_FAILED
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code."""
    try:
        result = app(args=arguments or ["--help"], prog_name="paco-prof", standalone_mode=False)
    except RankError as error:
        _leave(error)
    except PacoProfError as error:
        return _fail(str(error), error.exit_code)
    except TyperException as error:
        return _fail(f"{_usage_message(error, arguments)}. See paco-prof --help.", ExitCode.USAGE)
    except (Abort, KeyboardInterrupt):
        result = ExitCode.INTERRUPTED
    if result == ExitCode.INTERRUPTED:
        return _fail("Interrupted before anything was measured.", ExitCode.INTERRUPTED)
    return result if isinstance(result, int) else ExitCode.DONE


def _usage_message(error: TyperException, arguments: list[str]) -> str:
    """What is wrong with a command line, in one line that names the option and what was given for it."""
    message = " ".join(error.format_message().split()).rstrip(".")
    parameter = getattr(error, "param", None)
    if not isinstance(error, typer.BadParameter) or parameter is None:
        return message
    reason = error.message.split(",")[0].removeprefix("Input ").rstrip(".")
    for option, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, has_value, value = option.partition("=")
        if name in parameter.opts:
            return f"{name} {(value if has_value else following)!r} {reason}"
    return message


def _fail(message: str, code: int) -> int:
    """Tell of an error. Of several ranks that meet the same one the first of each machine tells, which ends the others
    there: torchrun does not hear so soon of what happens on other machines.
    """
    if not is_first_rank():
        place = this_place()
        time.sleep(SECONDS_FOR_THE_FIRST + SECONDS_FOR_EACH * place.local_rank)
        message = f"rank {place.rank}: {message}"
    return _tell(message, code)


def _leave(error: RankError) -> NoReturn:
    """End the process at once: what torch takes apart at the end of one could wait for a rank that is gone."""
    if error.is_mine:
        _tell(str(error), error.exit_code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(error.exit_code)


def _tell(message: str, code: int) -> int:
    print(f"paco-prof: {message}", file=sys.stderr)
    return code
