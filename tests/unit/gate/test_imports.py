"""Either side of a comparison runs the code of its own tree, or it is said that it does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gate_project import GateProject
from paco_prof.errors import MeasurementError, UsageError
from paco_prof.gate.imports import check_imports
from paco_prof.gate.trees import Repository, Tree

HERE = (".", "src")
MODEL = "package.models:build"


@pytest.fixture
def project(tmp_path: Path) -> GateProject:
    project = GateProject(tmp_path / "project", source="")
    project.write("package/__init__.py", "")
    project.write("package/models.py", "import json\nfrom package import layers\n")
    project.write("package/layers.py", "")
    project.commit("A package")
    project.git("branch", "before")
    return project


@contextmanager
def trees(project: GateProject, python_path: tuple[str, ...] = HERE) -> Iterator[tuple[Tree, Tree]]:
    repository = Repository(project.folder)
    with repository.worktree("before", python_path) as old:
        yield old, repository.working_tree(python_path)


def test_each_side_imports_from_its_own_tree(project: GateProject) -> None:
    with trees(project) as both:
        check_imports(both, MODEL)
    # Nothing of that is left in the user's folder.
    assert list(project.folder.rglob("__pycache__")) == []


def test_a_module_in_src_and_one_in_a_folder_of_ones_own(project: GateProject) -> None:
    project.git("mv", "package", "lib")
    project.write("lib/package/__init__.py", "")
    project.write("lib/package/models.py", "")
    project.commit("Moved")
    project.git("branch", "--force", "before")
    with trees(project, ("lib",)) as both:
        check_imports(both, MODEL)


def test_a_module_that_is_made_up_comes_from_nowhere(project: GateProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch has one that says it is `_ops.py`, which is no file of the folder that a gate is started in."""
    made_up = "import sys, types\nsys.modules['made_up'] = types.ModuleType('made_up')\n"
    project.write("package/layers.py", f"{made_up}sys.modules['made_up'].__file__ = '_ops.py'\n")
    project.commit("Operators")
    project.git("branch", "--force", "before")
    monkeypatch.chdir(project.folder)
    with trees(project) as both:
        check_imports(both, MODEL)


def test_code_that_is_in_neither_tree(project: GateProject) -> None:
    with trees(project) as both, pytest.raises(UsageError, match="would run the same code twice: there is no module x"):
        check_imports(both, "x:build")
    with trees(project) as both, pytest.raises(UsageError, match="twice: paco_prof itself is not in it"):
        check_imports(both, None)


def test_a_module_that_the_other_revision_does_not_have(project: GateProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editable installation would let it import the working tree's, and find that nothing has changed."""
    project.write("package/newer.py", "")
    project.commit("Another module")
    monkeypatch.setenv("PYTHONPATH", str(project.folder))
    with trees(project) as both, pytest.raises(MeasurementError, match=r"before has no module package\.newer"):
        check_imports(both, "package.newer:build")


def test_what_a_module_needs_may_come_from_the_other_tree(
    project: GateProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module itself is each tree's own, and half of what is measured is not."""
    project.write("common/helper.py", "")
    project.write("package/models.py", "import helper\n")
    project.commit("A helper beside the package")
    project.git("branch", "--force", "before")
    monkeypatch.setenv("PYTHONPATH", str(project.folder / "common"))
    with trees(project) as both, pytest.raises(UsageError, match="would run the same code there") as told:
        check_imports(both, MODEL)
    assert str(told.value).startswith("before imports common/helper.py of the working tree:")
    with trees(project, (".", "common")) as both:
        check_imports(both, MODEL)


# Beside the model


def test_steps_and_drop_ins_come_from_each_tree_as_well(project: GateProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is each tree's own, and what takes a component's place is the working tree's on both sides."""
    project.write("lib/drops/fast.py", "")
    project.write("lib/drops/__init__.py", "")
    project.commit("A drop-in")
    project.git("branch", "--force", "before")
    everything = (".", "lib")
    with trees(project, everything) as both:
        check_imports(both, MODEL, [None, "drops.fast:Fast", "package.layers:losses"])
    elsewhere = "import sys\nsys.path.insert(0, {!r})\n".format(str(project.folder / "lib"))
    project.write("package/models.py", elsewhere)
    project.commit("A path of one's own")
    project.git("branch", "--force", "before")
    with trees(project, everything) as both:
        check_imports(both, MODEL)
        with pytest.raises(UsageError, match=r"before has a module drops\.fast, and Python imports it from elsewhere"):
            check_imports(both, MODEL, ["drops.fast:Fast"])


@pytest.mark.parametrize("name", ["json:loads", "paco_prof:OptimizedPaCoLoss", "torch.nn:Identity", None])
def test_what_is_installed_is_the_same_for_both(project: GateProject, name: str | None) -> None:
    with trees(project) as both:
        check_imports(both, MODEL, [name])


def test_a_drop_in_that_the_other_revision_does_not_have(project: GateProject) -> None:
    project.write("fast.py", "")
    with trees(project) as both, pytest.raises(MeasurementError, match=r"^before has no module fast\."):
        check_imports(both, MODEL, ["fast:Fast"])


def test_a_drop_in_that_does_not_import_is_named(project: GateProject) -> None:
    project.write("fast.py", "\nraise ValueError('too fast')\n")
    project.commit("Broken")
    project.git("branch", "--force", "before")
    with trees(project) as both, pytest.raises(MeasurementError) as told:
        check_imports(both, MODEL, ["fast:Fast"])
    assert told.value.message == "before: fast cannot be imported: ValueError: too fast (fast.py, line 2)."


def test_an_import_hook_that_comes_before_all_folders(project: GateProject, tmp_path: Path) -> None:
    """As some editable installations have one."""
    elsewhere = tmp_path / "elsewhere.py"
    elsewhere.write_text("")
    hook = "import sys, importlib.util as u\nclass F:\n def find_spec(self, n, p=None, t=None):\n"
    hook += f"  return u.spec_from_file_location(n, {str(elsewhere)!r}) if n == 'parts_model' else None\n"
    project.write("sitecustomize.py", hook + "sys.meta_path.insert(0, F())\n")
    project.commit("A hook")
    project.git("branch", "--force", "before")
    with trees(project) as both, pytest.raises(UsageError, match="Python imports it from elsewhere: both sides would"):
        check_imports(both, "parts_model:build")


@pytest.mark.parametrize("file", ["package/__init__.py", "package/models.py", "package/layers.py"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\nraise ValueError('no such\\nbackbone')\n", "ValueError: backbone"),
        ("\nimport no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("\nexit(7)\n", "SystemExit: 7"),
        ("\ndef (:\n", "SyntaxError: "),
    ],
)
def test_a_revision_that_does_not_import_is_named_with_the_place(
    project: GateProject, file: str, text: str, words: str
) -> None:
    project.git("checkout", "--quiet", "before")
    project.write(file, text)
    project.commit("Broken")
    project.git("checkout", "--quiet", "main")
    with trees(project) as both, pytest.raises(MeasurementError) as told:
        check_imports(both, MODEL)
    assert told.value.message.startswith(f"before: package.models cannot be imported: {words}")
    assert told.value.message.endswith(f"({Path(file).name}, line 2).")


def test_a_working_tree_that_does_not_import_is_named_as_well(project: GateProject) -> None:
    project.write("package/models.py", "import os\nos._exit(3)\n")
    with trees(project) as both, pytest.raises(MeasurementError, match=r"working tree: .* ended with exit code 3"):
        check_imports(both, MODEL)


def test_what_a_module_prints_is_in_nobodys_way(project: GateProject) -> None:
    project.write("package/models.py", "import sys\nprint('hello')\nprint('{}', file=sys.stderr)\n")
    with trees(project) as both:
        check_imports(both, MODEL)


def test_a_torchvision_that_does_not_fit_torch_keeps_nobody_from_importing_timm(project: GateProject) -> None:
    """As where it is measured: their `import timm` works after ours has."""
    text = (
        "import sys\nif 'timm' not in sys.modules:\n    raise RuntimeError('operator torchvision::nms is not there')\n"
    )
    project.git("checkout", "--quiet", "before")
    project.write("package/models.py", text)
    project.commit("It uses timm")
    project.git("checkout", "--quiet", "main")
    project.write("package/models.py", text)
    with trees(project) as both:
        check_imports(both, MODEL)
