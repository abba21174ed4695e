"""A gate's configuration: its defaults, what it may say, and one line for what it may not."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from paco_prof.errors import UsageError
from paco_prof.gate.budgets import parse_budget
from paco_prof.gate.table import Against, Baseline, CheckTable, check_table
from paco_prof.variants.user_file import own_variants

# What is not said by a key of its own.
OF_THE_WHOLE_FILE = ("root", "file", "stages", "outside")
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "paco-prof.toml"


def read(folder: Path, text: str, name: str = "paco-prof.toml") -> CheckTable:
    """The table of a folder with this file in it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return check_table(folder)


def refusal(folder: Path, entries: str) -> str:
    """The one line that entries of `[check]` are refused with, which is the first line of the file."""
    with pytest.raises(UsageError) as caught:
        read(folder, f"[check]\n{entries}\n")
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) not in message
    return message


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    table = check_table(tmp_path)
    assert table == CheckTable()
    assert (table.variant, table.smallest_effect, table.launches, table.max_minutes) == ("exact", 0.03, 14, 2.75)
    assert (table.model, table.threads, table.device, table.root, table.file) == (None, None, "auto", None, "")


def test_a_file_without_the_table_says_where_it_is(tmp_path: Path) -> None:
    assert read(tmp_path, "") == CheckTable(root=tmp_path, file="paco-prof.toml")


def test_all_of_it(tmp_path: Path) -> None:
    text = """
        [tool.paco-prof.check]
        variant = "exact+bfloat16"
        set = { d = 32, channels-last = true, clip_norm = "none" }
        model = "my_package.models:Factory.build"
        model_args = { width = 64, rate = 0.5, deep = false, name = "x" }
        python_path = ["lib", "../shared"]
        prepare = "make"
        budgets = ["loss <= 10 %", { budget = "memory <= 3 GB", smallest_effect = "2 %" }, { budget = "fidelity" }]
        against = { revision = "main", smallest_effect = 0.02 }
        baseline = "reports/baseline.json"
        smallest_effect = "5 %"
        launches = 20
        max_minutes = 1.5
        timeout = 30
        threads = 2
        device = "cpu"
        seed = 7
    """
    assert read(tmp_path, text, "pyproject.toml") == CheckTable(
        variant="exact+bfloat16",
        set={"dim": 32, "channels_last": True, "clip_norm": "none"},
        model="my_package.models:Factory.build",
        model_args={"width": 64, "rate": 0.5, "deep": False, "name": "x"},
        python_path=("lib", "../shared"),
        prepare="make",
        budgets=(parse_budget("loss <= 10 %"), parse_budget("memory <= 3 GB", 0.02), parse_budget("fidelity")),
        against=Against("main", 0.02),
        baseline=Baseline("reports/baseline.json", tmp_path / "reports" / "baseline.json", 0.05),
        smallest_effect=0.05,
        launches=20,
        max_minutes=1.5,
        timeout=30.0,
        threads=2,
        device="cpu",
        seed=7,
        root=tmp_path,
        file="pyproject.toml",
    )


def test_a_smallest_effect_of_its_own_goes_before_the_tables(tmp_path: Path) -> None:
    table = read(tmp_path, '[check]\nagainst = "main"\nbaseline = { record = "b.json", smallest_effect = "8 %" }\n')
    assert table.against == Against("main", 0.03)
    assert table.baseline == Baseline("b.json", tmp_path / "b.json", 0.08)
    # A budget is the limit, whatever matters beside a revision.
    assert read(tmp_path, '[check]\nbudgets = ["loss <= 1 %"]\nsmallest_effect = 0.1\n').budgets[0].smallest_effect == 0


def test_budgets_may_stand_as_tables(tmp_path: Path) -> None:
    text = (
        '[[check.budgets]]\nbudget = "loss <= 1 %"\n[[check.budgets]]\nbudget = "memory <= 1 GB"\nsmallest_effect = 0\n'
    )
    assert [budget.text for budget in read(tmp_path, text).budgets] == ["loss <= 1 %", "memory <= 1 GB"]


def test_a_model_is_imported_from_the_files_folder_and_src(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    assert CheckTable().import_folders(tmp_path) == (tmp_path, tmp_path / "src")
    assert CheckTable(python_path=("lib", ".")).import_folders(tmp_path) == (tmp_path / "lib", tmp_path)
    assert CheckTable(python_path=()).import_folders(tmp_path) == ()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            'budget = ["loss <= 10 %"]',
            "line 2: check: 'budget' says nothing to paco-prof. Did you mean budgets?",
        ),
        (
            "seed = 1\nsmallest-effect = 1",
            "line 3: check: 'smallest-effect' says nothing to paco-prof. Did you mean smallest_effect?",
        ),
        (
            'against = { branch = "main" }',
            "line 2: check: against: 'branch' says nothing to paco-prof. There are revision, smallest_effect.",
        ),
        (
            "set = { d = 32, dimm = 3 }",
            "line 2: check: set.dimm: 'dimm' is not a setting. Did you mean dim?",
        ),
        (
            "[check.set]\nd = 0",
            "line 3: check: set.d: dim=0 should be greater than or equal to 1.",
        ),
        (
            "set = { d = 3, dim = 4 }",
            "line 2: check: set.dim: d and dim are the same setting. Leave one of them out.",
        ),
        (
            'budgets = [\n  "loss <= 10 %",\n  "memory < 3 GB",\n]',
            "line 4: check: budgets: 'memory < 3 GB' has '<' where '<=' belongs. Write 'memory <= 3 GB'.",
        ),
        (
            'budgets = [\n  "loss <= 10 %",\n  "exact: loss <= 5 %",\n]',
            "line 4: check: budgets: 'exact: loss <= 5 %' is about the same as 'loss <= 10 %'. Leave one of them out.",
        ),
        (
            'budgets = ["fidelity", "fidelity"]',
            "line 2: check: budgets: 'fidelity' stands twice. Leave one of them out.",
        ),
        (
            "budgets = [3]",
            'line 2: check: budgets: 3 is no budget. Write text, or { budget = "...", smallest_effect = "2 %" }.',
        ),
        (
            'budgets = [\n{ budget = "loss <= 1 %", smallest_effect = 0.1 },\n'
            '{ budget = "memory <= 3 GB", smallest_effect = 2 }]',
            "line 4: check: budgets.smallest_effect: 2 may be a share or percent. Write '2 %'.",
        ),
        (
            "against = { smallest_effect = 0.1 }",
            "line 2: check: against: there is no revision. Write text, or "
            '{ revision = "...", smallest_effect = "2 %" }.',
        ),
        (
            'baseline = ""',
            'line 2: check: baseline: there is no record. Write text, or { record = "...", smallest_effect = "2 %" }.',
        ),
        (
            "smallest_effect = 3",
            "line 2: check: smallest_effect: 3 may be a share or percent. Write '3 %'.",
        ),
        (
            'smallest_effect = "0 %"',
            "line 2: check: smallest_effect: '0 %' is not between 0 and 100 %. Write '3 %'.",
        ),
        (
            'model = "my_package.models"',
            "line 2: check: model: 'my_package.models' is not of the form module:factory. "
            "For example my_package.models:build, or path/to/models.py:build.",
        ),
        (
            "model_args = { sizes = [1, 2] }",
            "line 2: check: model_args.sizes: it is none of true, false, a number and text. "
            "What else a model needs its factory can make.",
        ),
        (
            "[check.model_args]\nlambda = 1",
            "line 3: check: model_args.lambda: no argument can have that name.",
        ),
        (
            'model_args = { weights = "/home/jane/x.pth" }',
            "line 2: check: model_args.weights: '/home/jane/x.pth' is an absolute path, and a record holds none. "
            "Give it relative to this folder, or let the factory know it.",
        ),
        (
            'model = "my_models:build"\nstep = "my_models"',
            "line 3: check: step: 'my_models' is not of the form module:function. "
            "For example my_package.models:build, or path/to/models.py:build.",
        ),
        (
            'python_path = [".", "/opt/code"]',
            "line 2: check: python_path: '/opt/code' is the same folder whichever revision is measured. "
            "Write it relative to this file, for example 'src'.",
        ),
        ("launches = 0", "line 2: check: launches: Input should be greater than or equal to 1."),
        ("launches = 1001", "line 2: check: launches: Input should be less than or equal to 1000."),
        ("launches = 3.0", "line 2: check: launches: Input should be a valid integer."),
        ("timeout = 0", "line 2: check: timeout: Input should be greater than 0."),
        ("timeout = inf", "line 2: check: timeout: Input should be a finite number."),
        ("max_minutes = 0", "line 2: check: max_minutes: Input should be greater than 0."),
        ("max_minutes = inf", "line 2: check: max_minutes: Input should be a finite number."),
        ("threads = 0", "line 2: check: threads: Input should be greater than or equal to 1."),
        ("variant = 3", "line 2: check: variant: Input should be a valid string."),
        ("python_path = [3]", "line 2: check: python_path.0: Input should be a valid string."),
        ('prepare = ["make"]', "line 2: check: prepare: Input should be a valid string."),
        ('budgets = "loss <= 3 %"', "line 2: check: budgets: Input should be a valid list."),
    ],
)
def test_what_it_cannot_say_is_one_line(entries: str, message: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, entries) == f"paco-prof.toml, {message}"


@pytest.mark.parametrize("model", ["", ":build", "models:", "a:b:c", "a b:c", "a.:b", "1a:b", "a/b:build", "a:class"])
def test_a_model_is_a_module_and_what_makes_it(model: str, tmp_path: Path) -> None:
    assert "is not of the form module:factory" in refusal(tmp_path, f'model = "{model}"')


@pytest.mark.parametrize("value", ["nan", "-inf", "1979-05-27", "{ a = 1 }"])
def test_arguments_are_what_a_record_can_hold(value: str, tmp_path: Path) -> None:
    assert "model_args.x: it is none of" in refusal(tmp_path, f"model_args = {{ x = {value} }}")


def test_a_file_elsewhere_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("")
    table = read(tmp_path / "project", '[check]\nseed = 1\nmodel = "../other.py:build"\n')
    assert table.outside == {"model": "paco-prof.toml, line 3: check: model: '../other.py:build'"}
    assert table.python_path == (str(tmp_path), ".", "src")


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^paco-prof\.toml: check is not a table\."):
        read(tmp_path, "check = true\n")


def test_the_example_reads_as_it_stands_and_with_all_that_it_leaves_out(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    table = read(tmp_path, text)
    assert [variant.name for variant in own_variants(tmp_path)] == ["cluster", "cluster-resnet18"]
    assert len(table.budgets) == 9
    assert table.against == Against("main", 0.03)
    whole = read(tmp_path, re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE))
    assert (whole.model, whole.python_path, whole.threads) == ("my_package.models:build", ("src",), 2)
    assert (whole.step, whole.replace) == ("my_package.training:losses", {"criterion": "paco_prof:OptimizedPaCoLoss"})
    assert dict(whole.stages) == {"my_package.geometry.scatter": "covariance", "neck": "my_neck", "aux_head": ""}
    assert whole.baseline is not None
    for field in fields(CheckTable):
        key = re.compile(rf"^(# )?{field.name} = ", re.MULTILINE)
        assert len(key.findall(text.partition("[check]")[2])) == (field.name not in OF_THE_WHOLE_FILE), field.name
