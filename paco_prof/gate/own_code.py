"""A gate's configuration with a model of the user's own: its factory, its step, and what stands in its components'
places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from paco_prof.errors import UsageError
from paco_prof.user_code import Named, parse_name, parse_replacements

if TYPE_CHECKING:
    from paco_prof.gate.table import CheckTable

__all__ = ["default_variant", "refuse_what_is_in_no_tree", "with_code"]


def default_variant(model: str | None, replacements: Mapping[str, str]) -> str:
    """What is checked where nobody says: PaCo-2 in its exact forms; a model of the user's own as it is, or with the
    drop-ins that are named.
    """
    if model is None:
        return "exact"
    return "drop-in" if replacements else "baseline"


def with_code(
    table: CheckTable,
    folder: Path,
    *,
    model: str | None = None,
    step: str | None = None,
    replacements: Sequence[str] = (),
    told: Callable[[str], str] = "--{}".format,
) -> CheckTable:
    """The configuration with another model, another way to call it, or more drop-ins; the folders of files that are
    named are looked in first.

    Args:
        folder: that paths are relative to.
        model: `module:factory` or `path/to/file.py:factory`; None leaves it as it is.
        step: likewise of a function.
        replacements: `component=module:factory`, as `--replace` has them.
        told: how messages call what was said of `model` and of `step`.

    Raises:
        UsageError: one of them cannot be.
    """
    named: list[tuple[str, str, Named]] = []
    changes: dict[str, Any] = {}
    for name, text, kind in (("model", model, "factory"), ("step", step, "function")):
        if text is not None:
            found = parse_name(text, told(name), folder, kind)
            named.append((name, f"{told(name)} {text!r}", found))
            changes[name] = found.name
    drop_ins = parse_replacements(replacements, folder)
    if drop_ins:
        named += [(component, f"--replace {component}={by.name}", by) for component, by in drop_ins.items()]
        changes["replace"] = {**table.replace, **{component: by.name for component, by in drop_ins.items()}}
    # What is named anew is no longer where it was.
    outside = {name: said for name, said in table.outside.items() if name not in [each[0] for each in named]}
    folders: list[str] = []
    for name, said, found in named:
        if found.folder is not None:
            folders.append(_of_project(found.folder, table.root or folder))
            outside |= {name: said} if PurePath(folders[-1]).is_absolute() else {}
    if folders:
        changes["python_path"] = tuple(dict.fromkeys((*folders, *table.folders)))
    return replace(table, **changes, outside=outside)


def _of_project(folder: Path, root: Path) -> str:
    """A folder relative to the project's, in which another revision's tree has it as well; as it is where it lies
    elsewhere.
    """
    resolved, root = folder.resolve(), root.resolve()
    return str(PurePath(resolved.relative_to(root) if resolved.is_relative_to(root) else resolved))


def refuse_what_is_in_no_tree(table: CheckTable) -> None:
    """Find files that would be the same on either side of a comparison with another revision.

    Raises:
        UsageError: there is one.
    """
    if table.against is not None and table.outside:
        raise UsageError(
            f"{next(iter(table.outside.values()))} is the same file whichever revision is measured.",
            "Name one of this project, or compare with no revision.",
        )
