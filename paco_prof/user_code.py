"""A model of the user's own as options and files name it: where it is, and what it is called with. Free of torch.

`module:factory` names something that Python can import; `path/to/file.py:factory` names the same of a file, whose
folder is then looked in first. What a record keeps of either is `module:factory`, and the folder where it lies below
the one that the command runs in: nothing that names a computer.
"""

from __future__ import annotations

import difflib
import keyword
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from paco_prof.errors import UsageError
from paco_prof.settings import Argument
from paco_prof.user_file import UserFile

__all__ = [
    "Named",
    "UserCode",
    "check_argument",
    "check_stage",
    "look_around",
    "look_in",
    "parse_argument",
    "parse_arguments",
    "parse_name",
    "parse_replacements",
    "parse_stages",
    "refuse_settings_of_paco2",
    "user_code",
]

# What a factory decides; these settings, and their options, are for PaCo-2 itself.
OF_PACO2 = {"backbone": "--backbone", "num_parts": "-K", "window": "-r", "dim": "-d"}
EXAMPLE = "For example my_package.models:build, or path/to/models.py:build."


@dataclass(frozen=True, slots=True)
class Named:
    """A Named is something of the user's code, by its name.

    Attributes:
        name: `module:attribute`.
        folder: of the file that it was named by; None where Python has to find the module.
    """

    name: str
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class UserCode:
    """A UserCode is a model of the user's own with all that is said about it.

    Attributes:
        model: `module:factory`.
        arguments: what the factory is called with, by name.
        step: `module:function` that takes the place of calling the model; None calls the model.
        folders: where its modules are looked for first, in their order.
    """

    model: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    step: str | None = None
    folders: tuple[Path, ...] = ()

    def settings(self, folder: Path) -> dict[str, Any]:
        """The entries of a `Workload` that say it, in a record that may be shared.

        Args:
            folder: that the command runs in; of the others, those below it are kept.
        """
        folder = folder.resolve()
        below = (path.resolve() for path in self.folders)
        kept = (str(PurePath(path.relative_to(folder))) for path in below if path.is_relative_to(folder))
        return {
            "model": self.model,
            "model_args": tuple(self.arguments.items()),
            "step": self.step,
            "python_path": tuple(path for path in kept if path != "."),
        }


def user_code(
    model: str | None, arguments: Sequence[str] = (), step: str | None = None, folder: Path = Path()
) -> UserCode | None:
    """What `--model`, `--model-arg` and `--step` say; None without a model.

    Args:
        folder: that relative paths are relative to.

    Raises:
        UsageError: one of them cannot be, or says something of a model that was not named.
    """
    if model is None:
        if arguments or step is not None:
            option = "--model-arg" if arguments else "--step"
            raise UsageError(f"{option} goes with --model.", "Name your model, or leave the option away.")
        return None
    named = [parse_name(model, "--model", folder)]
    if step is not None:
        named.append(parse_name(step, "--step", folder, "function"))
    folders = dict.fromkeys(each.folder for each in named if each.folder is not None)
    return UserCode(named[0].name, parse_arguments(arguments), named[1].name if step else None, tuple(folders))


def parse_name(text: str, what: str = "", folder: Path = Path(), kind: str = "factory") -> Named:
    """What `module:attribute` or `path/to/file.py:attribute` names.

    Args:
        what: the option that said it, for messages.
        kind: of attribute, for messages.
        folder: that a relative path is relative to.

    Raises:
        UsageError: it is of neither form, there is no such file, or its name is another module's.
    """
    said = f"{what} {text!r}" if what else repr(text)
    # From the right: a path may begin with a drive.
    place, _, attribute = text.rpartition(":")
    if not attribute or not all(map(_is_name, attribute.split("."))):
        raise UsageError(f"{said} is not of the form module:{kind}.", EXAMPLE)
    if not place.endswith(".py"):
        if not all(map(_is_name, place.split("."))):
            raise UsageError(f"{said} is not of the form module:{kind}.", EXAMPLE)
        return Named(text)
    path = folder / place
    if not path.is_file():
        raise UsageError(f"{said}: there is no file {place}.", _near(path))
    if not _is_name(path.stem):
        raise UsageError(f"{said}: {path.name} cannot be imported: {path.stem!r} is no name.", "Rename the file.")
    _refuse_a_taken_name(path, said)
    return Named(f"{path.stem}:{attribute}", path.parent)


def _refuse_a_taken_name(path: Path, said: str) -> None:
    """A module that has been imported already would be measured in the place of a file of its name.

    Raises:
        UsageError: there is one, or Python has one of its own.
    """
    module = sys.modules.get(path.stem)
    file = getattr(module, "__file__", None)
    is_another = module is not None and (file is None or Path(file).resolve() != path.resolve())
    if path.stem in sys.stdlib_module_names:
        raise UsageError(f"{said}: Python itself has a module called {path.stem}.", "Rename the file.")
    if is_another:
        raise UsageError(f"{said}: another module called {path.stem} has been imported already.", "Rename the file.")


def parse_arguments(texts: Sequence[str]) -> dict[str, Argument]:
    """`["d=32", "pretrained=false"]` as arguments, each of the type that it looks like.

    Raises:
        UsageError: one is not of the form name=value, stands there twice, or is what no record may hold.
    """
    arguments: dict[str, Argument] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not _is_name(name):
            raise UsageError(f"--model-arg {text!r} is not of the form name=value.", "For example --model-arg K=4.")
        if name in arguments:
            raise UsageError(f"--model-arg {name} stands there twice.", "Give it once.")
        arguments[name] = parse_argument(value)
        check_argument(arguments[name], f"--model-arg {name}: ")
    return arguments


def parse_argument(text: str) -> Argument:
    """A value as Python or TOML would write it: true, none, 4, 1e-5, 'quoted'; anything else is text as it stands."""
    words: dict[str, Argument] = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    for number in (int, float):
        try:
            value = number(text)
        except ValueError:
            continue
        # "nan" and "inf" are words: a record is JSON, which has neither.
        return value if value - value == 0 else text
    return text


def check_argument(value: object, place: str = "") -> None:
    """Find out whether a record may hold an argument of a factory.

    Args:
        place: where it was said, for the message.

    Raises:
        UsageError: it is an absolute path, which would tell where somebody's files are.
    """
    if not isinstance(value, str):
        return
    if value.startswith("~") or PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute():
        raise UsageError(
            f"{place}{value!r} is an absolute path, and a record holds none.",
            "Give it relative to this folder, or let the factory know it.",
        )


def refuse_settings_of_paco2(model: str, settings: Mapping[str, Any], hint: str = "") -> None:
    """Find settings that a model of the user's own would ignore in silence.

    Args:
        model: what a message calls it.
        settings: that somebody has chosen, by their own names.
        hint: what can be done instead; empty where an argument of the factory may do it.

    Raises:
        UsageError: there is one.
    """
    for setting, option in OF_PACO2.items():
        if setting in settings:
            argument = f"{option.lstrip('-')}={settings[setting]}"
            raise UsageError(
                f"{option} is for PaCo-2 itself; {model} decides by what makes it.",
                hint or f"Give the factory what it takes, for example --model-arg {argument}.",
            )


def parse_replacements(texts: Sequence[str], folder: Path = Path()) -> dict[str, Named]:
    """What `--replace component=module:factory` says: component -> what takes its place.

    Raises:
        UsageError: one is not of that form, or a component stands there twice.
    """
    replacements: dict[str, Named] = {}
    for text in texts:
        component, equals, factory = text.partition("=")
        if not equals or not component:
            raise UsageError(
                f"--replace {text!r} is not of the form component=module:factory.",
                "For example --replace criterion=paco_prof:OptimizedPaCoLoss.",
            )
        if component in replacements:
            raise UsageError(f"--replace {component} stands there twice.", "Give it once.")
        replacements[component] = parse_name(factory, f"--replace {component}", folder)
    return replacements


def parse_stages(file: UserFile | None) -> tuple[tuple[str, str], ...]:
    """The `stages` of a configuration: dotted paths of the user's code, and what each is to be; an empty name leaves
    one alone that would be found by itself.

    Raises:
        UsageError: a name that no stage can have.
    """
    stages = {} if file is None else file.table("stages")
    for path, name in stages.items():
        if file is not None:
            check_stage(path, name, f"{file.place('stages', path)}: ")
    return tuple(stages.items())


def check_stage(path: str, name: object, place: str = "") -> None:
    """Find out whether a path of the user's code can be a stage of that name.

    Args:
        place: where that is said, for the message.

    Raises:
        UsageError: it cannot.
    """
    if not isinstance(name, str) or (name and not all(name.split("/"))):
        hint = "A stage's name is text; a slash makes it part of another one: loss/mine."
        raise UsageError(f"{place}stages: {path!r} cannot be the stage {name!r}.", hint)


def look_in(folders: Iterable[Path]) -> None:
    """Let Python look for modules in some folders before all others."""
    for folder in reversed([str(folder) for folder in folders]):
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)


def look_around(folder: Path) -> None:
    """Let Python look in a folder, and `src` in it, after what was named and before what is installed."""
    libraries = {sysconfig.get_path("stdlib"), *(path for path in sys.path if path.endswith(".zip"))}
    place = next((place for place, path in enumerate(sys.path) if path in libraries), len(sys.path))
    for path in (str(folder / "src"), str(folder)):
        if path not in sys.path[:place]:
            sys.path.insert(place, path)


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _near(path: Path) -> str:
    """Files that the user may have meant."""
    near = difflib.get_close_matches(path.name, _python_files(path.parent), n=3)
    return f"Did you mean {', '.join(near)}?" if near else "Give its path from here."


def _python_files(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*.py")] if folder.is_dir() else []
