"""The report of a comparison that has launches of several machines: a comparison for each of them, none pooled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from paco_prof import units
from paco_prof.records import ComparisonRecord, Environment
from paco_prof.render.document import Block, Heading, Paragraph
from paco_prof.render.preamble import machine

__all__ = ["machine_by_machine"]


def machine_by_machine(
    records: Sequence[ComparisonRecord], sections: Callable[[ComparisonRecord], list[Block]]
) -> list[Block]:
    """What there is to say about each machine, under headings that say which it is.

    Args:
        records: one for each machine.
        sections: of the report of one.
    """
    launches = ", ".join(units.count(len(record.launches)) for record in records[:-1])
    launches += f" and {units.count(len(records[-1].launches))}"
    what = "launches" if all(record.launches for record in records) else "launches and failures"
    blocks: list[Block] = [
        Paragraph(
            f"Not pooled: the {what} are of {units.count(len(records))} unlike machines ({launches} launches). Times "
            "of unlike machines are never judged together, so that each of them has a comparison of its own; a variant "
            "with few launches on a machine is as undecided there as it would be if there were no other."
        )
    ]
    first = records[0].environment
    for number, record in enumerate(records, start=1):
        blocks.append(Heading(f"Machine {number} of {len(records)}"))
        if record.environment is not None:
            blocks.append(Paragraph(machine(record.environment)))
            if number > 1 and first is not None:
                blocks.append(Paragraph(f"Other than on machine 1: {_differences(record.environment, first)}."))
        for block in sections(record):
            blocks.append(Heading(f"{block.text} (machine {number})") if isinstance(block, Heading) else block)
    return blocks


def _differences(one: Environment, first: Environment) -> str:
    return ", ".join(
        f"{name.replace('_', ' ') if name.islower() else name} {_value(mine)}, not {_value(theirs)}"
        for name, (mine, theirs) in one.differences(first).items()
    )


def _value(value: object) -> str:
    return "none" if value is None else str(value)
