"""The part of a report that tells what was found in a model of the user's own, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence

from paco_prof import units
from paco_prof.records import Replacement, StageFound, StageMissing, UserCodeUsed
from paco_prof.render.document import Block, Bullets, Column, Heading, Paragraph, Row, Table
from paco_prof.render.labels import plain_title

__all__ = ["missing_sentence", "replacement_sentence", "user_code_blocks"]

HOW_TO_MAP = (
    "A path of your own is made a stage by [tool.paco-prof.stages] of pyproject.toml, for example "
    '"my_package.geometry.scatter" = "covariance"; in the code itself by paco_prof.stage.'
)


def user_code_blocks(used: UserCodeUsed) -> list[Block]:
    """A heading, the stages that were found, and whatever else is to be said."""
    blocks: list[Block] = [Heading("Your code")]
    if used.found:
        blocks.append(_table(used.found))
    told = [*map(replacement_sentence, used.replaced), *_sentences(used)]
    if told:
        blocks.append(Bullets(tuple(told)))
    if used.missing:
        blocks.append(Paragraph(HOW_TO_MAP))
    return blocks


def replacement_sentence(replaced: Replacement) -> str:
    """What a drop-in took the place of, and which settings it has."""
    taken = ", ".join(
        f"{name}={_value(value)}" + (f" ({replaced.places[name]})" if name in replaced.places else "")
        for name, value in replaced.taken.items()
    )
    left = ", ".join(replaced.left)
    return (
        f"{replaced.by} stands in the place of {replaced.path}"
        + (f"; taken over from it: {taken}" if taken else "")
        + (f"; at its own defaults: {left}" if left else "")
        + _answers(replaced)
        + "."
    )


def _answers(replaced: Replacement) -> str:
    """How much of the work is the drop-in's, which learns from what it replaces."""
    if replaced.answered is None or replaced.asked is None:
        return ""
    calls = units.count(replaced.answered + replaced.asked)
    return f"; it answered {units.count(replaced.answered)} of {calls} calls, and learned from the others or left them"


def _table(found: Sequence[StageFound]) -> Table:
    """A row a stage, in the order in which they were found."""
    paths: dict[str, list[str]] = {}
    for each in found:
        paths.setdefault(each.stage, []).append(each.path + ("" if each.calls else " (never called)"))
    columns = (Column("Stage", "left"), Column("found without an edit, as", "left", wraps=True))
    return Table(columns, tuple(Row((plain_title(stage), ", ".join(where))) for stage, where in paths.items()))


def _sentences(used: UserCodeUsed) -> list[str]:
    told = [missing_sentence(each) for each in used.missing]
    if used.hidden:
        told.append(f"What is inside of the model cannot be seen: {used.hidden}.")
    if used.no_inference:
        told.append(f"Inference was not measured; with one view in eval mode: {used.no_inference}.")
    if used.no_loss_test:
        told.append(f"The criterion was not timed alone: {used.no_loss_test}.")
    if used.printed:
        told.append(
            f"Your code printed {units.count(used.printed)} line{'' if used.printed == 1 else 's'} while it was "
            "measured; they were set aside, and the time that printing takes is in the stages that print."
        )
    return told


def missing_sentence(missing: StageMissing) -> str:
    """What was looked for, and what is like it."""
    near = f" Near it are {', '.join(missing.near)}." if missing.near else ""
    return f"{plain_title(missing.stage)} was not found: there is no {missing.path}.{near}"


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
