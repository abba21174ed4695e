"""What a caller hands over: their model, their step, their drop-ins; live, or by name. Free of torch.

A record calls each of them `module:name`, whatever it was handed over as: nothing that names a computer.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paco_prof.errors import UsageError
from paco_prof.measure.user.place import is_user_file
from paco_prof.user_code import (
    Named,
    UserCode,
    check_argument,
    check_stage,
    parse_name,
    parse_stages,
    refuse_settings_of_paco2,
)
from paco_prof.user_file import UserFile
from paco_prof.variants.catalogue import drop_in
from paco_prof.variants.resolve import refuse_unused_drop_ins

if TYPE_CHECKING:
    from paco_prof.variants.variant import Variant

__all__ = ["Handed", "hand_over"]

MAIN = "__main__"


@dataclass(frozen=True)
class Handed:
    """What was handed over, ready for a workload and for whoever builds it.

    Attributes:
        settings: entries of a `Workload` that name it; none for PaCo-2 itself.
        model, step: live; None where only a name was given.
        folders: where its modules are looked for first.
        variants: `drop-in`, where it was said what that is.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    model: Any = None
    step: Any = None
    folders: tuple[Path, ...] = ()
    variants: tuple[Variant, ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether it is a model of the user's own."""
        return bool(self.settings)

    def variant(self, asked: str | None) -> str:
        """The variant that one measurement is of: a model of the user's own is measured as it is, or with the drop-ins
        that were named.

        Raises:
            UsageError: drop-ins were named, and the variant that was asked for has none of them.
        """
        if asked is not None:
            refuse_unused_drop_ins(self.variants, [asked])
        return asked or ("drop-in" if self.variants else "baseline")


def hand_over(
    model: Any,
    arguments: Mapping[str, Any] | None,
    step: Any,
    replace: Mapping[str, Any] | None,
    stages: Mapping[str, str] | None,
    settings: Mapping[str, Any],
    *,
    elsewhere: str = "",
) -> Handed:
    """What the arguments of a call say about a model of the user's own.

    Args:
        settings: of the baseline, none of which may be for PaCo-2 itself.
        elsewhere: the function that starts processes of its own, to which only names can be handed on; empty where all
            happens in this one.

    Raises:
        UsageError: one of them cannot be, says something of a model that was not named, or has no name that another
            process could find.
    """
    if model is None:
        _refuse_without_model(model_args=arguments, step=step, replace=replace, stages=stages)
        return Handed()
    is_live = not isinstance(model, str)
    if _is_module(model):
        _refuse_module(model, arguments, elsewhere)
    name = _name(model, "model", elsewhere)
    hint = "Leave it away." if _is_module(model) else "Give the factory what it takes: model_args."
    refuse_settings_of_paco2(name.name, settings, hint)
    for argument, value in (arguments or {}).items():
        check_argument(value, f"model_args: {argument}: ")
    named = [name]
    if step is not None:
        named.append(_name(step, "step", elsewhere))
    drop_ins = {}
    for component, by in (replace or {}).items():
        what = f"replace {component}"
        found = _named(by, what, elsewhere) if isinstance(by, str) else _importable(by, what, elsewhere)
        drop_ins[str(component)] = found.name
        named.append(found)
    folders = tuple(dict.fromkeys(each.folder.resolve() for each in named if each.folder is not None))
    code = UserCode(name.name, dict(arguments or {}), named[1].name if step is not None else None, folders)
    return Handed(
        settings={**code.settings(Path.cwd()), "stages": _stages(stages)},
        model=model if is_live and not elsewhere else None,
        step=step if callable(step) and not elsewhere else None,
        folders=folders,
        variants=(drop_in(drop_ins),) if drop_ins else (),
    )


def _refuse_without_model(**given: object) -> None:
    for name, value in given.items():
        if value:
            raise UsageError(f"{name} goes with a model of your own.", "Hand the model over, or leave it away.")


def _refuse_module(model: Any, arguments: Mapping[str, Any] | None, elsewhere: str) -> None:
    name = type(model).__name__
    if elsewhere:
        raise UsageError(
            f"{elsewhere} measures in processes of its own, and a live {name} cannot be handed to them.",
            "Give the class or the function that makes it.",
        )
    if arguments:
        raise UsageError(f"model_args are for what makes a model, and this {name} has been made.", "Leave them away.")


def _stages(stages: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Those of the user's configuration, and the caller's before them."""
    for path, name in (stages or {}).items():
        check_stage(path, name)
    return tuple({**dict(parse_stages(UserFile.find(Path.cwd()))), **(stages or {})}.items())


def _name(thing: Any, what: str, elsewhere: str) -> Named:
    """What a record calls it, and how another process finds it where one has to."""
    if isinstance(thing, str):
        return _named(thing, what, elsewhere)
    if not callable(thing):
        raise UsageError(f"{what} is {thing!r:.60}, which is neither the name of something nor can be called.")
    return _importable(thing, what, elsewhere) if elsewhere else Named(_called(thing))


def _named(text: str, what: str, elsewhere: str) -> Named:
    """What a text names; with its folder, where another process has to find it."""
    named = parse_name(text, what)
    module = named.name.partition(":")[0]
    return Named(named.name, _folder_of(module)) if named.folder is None and elsewhere else named


def _called(thing: Any) -> str:
    """`module:name` of whatever it is."""
    # A partial function is called like what it calls, and an object like its class.
    thing = getattr(thing, "func", thing)
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    module, file = named.__module__, getattr(sys.modules.get(MAIN), "__file__", None)
    if module == MAIN and file is not None and Path(file).is_file():
        module = Path(file).stem
    return f"{module}:{named.__qualname__}"


def _importable(thing: Any, what: str, elsewhere: str) -> Named:
    """The name by which it can be imported: in this process, or in another one as well.

    Raises:
        UsageError: there is none.
    """
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "")
    found: Any = sys.modules.get(module or "")
    for part in name.split("."):
        found = getattr(found, part, None)
    if module is None or found is not thing:
        who = f"{elsewhere} measures in processes of its own, which cannot" if elsewhere else "nobody can"
        raise UsageError(
            f"{what}: {who} import {_called(thing)}.",
            "Give a class or a function that stands in a module by that name.",
        )
    if module == MAIN and elsewhere:
        return _of_script(name, elsewhere)
    return Named(f"{module}:{name}", _folder_of(module) if elsewhere else None)


def _of_script(name: str, elsewhere: str) -> Named:
    """Something of the script that runs, as another process imports it."""
    main = sys.modules[MAIN]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        # It was started by its module's name.
        return Named(f"{spec.name}:{name}", _folder_of(spec.name))
    if file is None or not Path(file).is_file():
        raise UsageError(
            f"{elsewhere} measures in processes of its own, and what a notebook defines is in none of them.",
            f"Put {name} in a file, import it from there, and hand that over.",
        )
    return parse_name(f"{file}:{name}", elsewhere)


def _folder_of(module: str) -> Path | None:
    """Where the user's module comes from; None for an installed one, which any process finds."""
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    # A package has folders, a module of its own a file, and a built-in one neither.
    places = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.has_location and spec.origin else [])]
    return Path(places[0]).resolve().parent if places and is_user_file(places[0]) else None


def _is_module(thing: Any) -> bool:
    """Whether it is a torch module, which nothing can be where torch has not been imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.nn.Module)
