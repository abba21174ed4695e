"""Options that go together, spelled out for Typer and gathered again for the command."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from paco_prof.cli.groups import OptionGroup, spelled_out
from paco_prof.cli.options import BaselineOptions

seen: list[object] = []


@dataclass(frozen=True)
class Place(OptionGroup):
    """A group of two options."""

    city: Annotated[str, typer.Option(help="Where.")] = "Turin"
    houses: Annotated[list[int] | None, typer.Option("--house", min=1)] = None


@dataclass(frozen=True)
class Trip(OptionGroup):
    """A group with another one in it."""

    days: Annotated[int, typer.Option(min=1, help="How long.")] = 3
    place: Place = field(default_factory=Place)
    by_train: Annotated[bool, typer.Option("--by-train")] = False


def travel(
    *, name: Annotated[str, typer.Argument()], trip: Trip, pets: Annotated[int, typer.Option("-p", "--pets")] = 0
) -> int:
    """Go somewhere."""
    seen.append((name, trip, pets))
    return 7


def twice(*, trip: Trip, place: Place) -> int:
    """Two groups with an option of one name."""
    raise AssertionError


def run(*arguments: str) -> tuple[int, str]:
    seen.clear()
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(spelled_out(travel))
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output


def test_what_is_given_reaches_the_group_that_it_is_of() -> None:
    assert run("Ada", "--days", "2", "--city", "Bern", "--house", "4", "--house", "9", "--by-train", "-p", "1")[0] == 0
    assert seen == [("Ada", Trip(2, Place("Bern", [4, 9]), by_train=True), 1)]


def test_what_is_not_given_is_as_the_group_has_it() -> None:
    assert run("Ada")[0] == 0
    assert seen == [("Ada", Trip(), 0)]


def test_options_keep_their_checks_and_their_order() -> None:
    assert run("Ada", "--house", "0")[0] == 2
    assert seen == []
    _, text = run("--help")
    places = [text.index(option) for option in ("--days", "--city", "--house", "--by-train", "--pets")]
    assert places == sorted(places)
    assert "Go somewhere." in text
    assert "[default: Turin]" in text


def test_a_command_is_called_with_groups_and_returns_what_it_returns() -> None:
    command = spelled_out(travel)
    assert command(name="Ada", days=1, city="Bern", houses=None, by_train=False, pets=0) == 7
    assert list(inspect.signature(command).parameters) == ["name", "days", "city", "houses", "by_train", "pets"]


def test_an_option_that_two_groups_have_is_a_fault_of_ours() -> None:
    with pytest.raises(TypeError, match="an option twice"):
        spelled_out(twice)


def test_the_baselines_options_are_settings_by_their_own_names() -> None:
    options = BaselineOptions(batch_size=4, parts=3, settings=["lr=1e-3"])
    assert options.explicit == {"batch_size": 4, "num_parts": 3}
    assert options.overrides() == ("lr=1e-3",)
    assert options.overrides(gather_negatives=True) == ("lr=1e-3", "gather_negatives=true")
    assert BaselineOptions().explicit == {}
