"""Whether each side of a comparison really runs the code of its own tree.

An editable installation, a `.pth` file or PYTHONPATH can make both sides import the same files, and a gate that
compares code with itself never fails. So what is measured is imported once in each tree, and every file that it
brings in is looked at.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from paco_prof.errors import MeasurementError, UsageError
from paco_prof.gate.trees import Tree
from paco_prof.measure.shareable import scrub
from paco_prof.measure.user.place import INSTALLED
from paco_prof.measure.worker_process import with_python_path

__all__ = ["OWN_MODULE", "check_imports"]

# What brings in all that a step of PaCo-2 itself runs.
OWN_MODULE = "paco_prof.measure.subject"
SECONDS = 300.0
# Imports modules, and tells their files and those of all that came with them; or which one failed, how, and where.
# Where torchvision does not fit torch, the user's `import timm` works after ours has, here as where it is measured.
_PROBE = """
import importlib, json, sys, traceback
def imported(name):
    try:
        return importlib.import_module(name)
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    from paco_prof.paco2.backbone import import_timm
    import_timm()
    return importlib.import_module(name)
try:
    origins = {}
    for name in sys.argv[1:]:
        origins[name] = getattr(imported(name), "__file__", None)
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    told = {"origins": origins, "files": [file for file in files if isinstance(file, str)]}
except BaseException as error:
    lines = str(error).strip().splitlines()
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    frames = [frame for frame in frames if "importlib" not in frame.filename]
    own = [frame for frame in frames if "-packages" not in frame.filename] or frames
    last = own[-1] if own else None
    told = {
        "module": name,
        "error": type(error).__name__ + (": " + lines[-1] if lines else ""),
        "file": getattr(error, "filename", None) or (last and last.filename),
        "line": getattr(error, "lineno", None) or (last and last.lineno),
    }
sys.__stdout__.write("\\n" + json.dumps(told))
"""


def check_imports(trees: Sequence[Tree], model: str | None, others: Iterable[str | None] = ()) -> None:
    """Find out whether what is measured comes from each tree, and nothing of it from the other one.

    Args:
        trees: the other revision's, and the working tree.
        model: `module:factory`; None for PaCo-2 itself.
        others: whatever else of the user's is called: a step, drop-ins. What neither tree has is installed, and is the
            same for both.

    Raises:
        UsageError: neither tree has the module, or Python imports it, or what it needs, from elsewhere: both sides
            would run the same code.
        MeasurementError: a tree's module cannot be imported.
    """
    module = OWN_MODULE if model is None else model.partition(":")[0]
    if not any(tree.holds(module) for tree in trees):
        what = "paco_prof itself is not in it" if model is None else f"there is no module {module}"
        raise UsageError(
            f"--against would run the same code twice: {what}.",
            "Name the model of your project: model = 'module:factory', and python_path where it is in a folder.",
        )
    beside = [name.partition(":")[0] for name in others if name is not None]
    modules = [module, *(name for name in beside if any(tree.holds(name) for tree in trees))]
    for tree, other in zip(trees, reversed(trees), strict=True):
        _check(tree, other, list(dict.fromkeys(modules)))


def _check(tree: Tree, other: Tree, modules: Sequence[str]) -> None:
    missing = next((module for module in modules if not tree.holds(module)), None)
    if missing is not None:
        raise MeasurementError(f"{tree.name} has no module {missing}.")
    origins, files = _imported(tree, modules)
    own, theirs = tree.root.resolve(), other.root.resolve()
    hint = "python_path names the folders of your tree that modules are imported from."
    for module, origin in origins.items():
        if origin is None or not origin.is_relative_to(own):
            raise UsageError(
                f"{tree.name} has a module {module}, and Python imports it from elsewhere: both sides would run the "
                "same code.",
                hint,
            )
    # What is installed is the same for both, also where the environment lies in the working tree's folder.
    code = [path for path in files if not INSTALLED & set(path.parts) and not path.is_relative_to(sys.prefix)]
    stray = next((path for path in code if path.is_relative_to(theirs) and not path.is_relative_to(own)), None)
    if stray is not None:
        raise UsageError(
            f"{tree.name} imports {stray.relative_to(theirs)} of the {other.name}: both sides would run the same code "
            "there.",
            hint,
        )


def _imported(tree: Tree, modules: Sequence[str]) -> tuple[dict[str, Path | None], list[Path]]:
    """The files of modules as a process of that tree imports them, and the files of all that comes with them."""
    environment = {**with_python_path(os.environ, tree.python_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", "-c", _PROBE, *modules]
    all_of_them = ", ".join(modules)
    try:
        done = subprocess.run(
            command, cwd=tree.folder, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
        )
        told = json.loads(done.stdout.rpartition("\n")[2])
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"{tree.name}: importing {all_of_them} took more than {SECONDS:g} s.") from error
    except ValueError as error:
        lines = done.stderr.strip().splitlines()
        reason = scrub(lines[-1]) if lines else f"its process ended with exit code {done.returncode}"
        raise MeasurementError(f"{tree.name}: {all_of_them} cannot be imported: {reason}.") from error
    if "error" in told:
        place = f" ({Path(told['file']).name}, line {told['line']})" if told["file"] else ""
        raise MeasurementError(f"{tree.name}: {told['module']} cannot be imported: {scrub(told['error'])}{place}.")
    # Made-up modules have made-up names: torch.ops says that it is _ops.py, which is wherever one looks for it.
    files = [(tree.folder / file).resolve() for file in told["files"]]
    origins = {name: (tree.folder / file).resolve() if file else None for name, file in told["origins"].items()}
    return origins, files
