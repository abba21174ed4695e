"""From a configuration to contestants: who stands beside whom, on what, for how long, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builders import CPU
from paco_prof.errors import UsageError
from paco_prof.forms import REFERENCE
from paco_prof.gate import plan
from paco_prof.gate.budgets import parse_budget
from paco_prof.gate.plan import GatePlan, baseline_comparison, plan_gate
from paco_prof.gate.table import Against, Baseline, CheckTable
from paco_prof.measure.referee import Referee
from paco_prof.records import YARDSTICK, ComparisonRecord, Contestant
from paco_prof.settings import changed_settings
from paco_prof.store import write_record
from played import Players, Silent, steady

AGAINST = Against("main", 0.02)
OWN = {"model": "my_models:build", "variant": "baseline"}


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "usable_cores", lambda: 8)


def planned(*budgets: str, folder: Path | None = None, **table: Any) -> GatePlan:
    """The plan of a configuration without a file."""
    settings = CheckTable(budgets=tuple(map(parse_budget, budgets)), **table)
    return plan_gate(settings, folder or Path("nowhere"))


def contestants(gate: GatePlan) -> tuple[Contestant, ...]:
    assert gate.own is not None
    return gate.own.contestants


def names(gate: GatePlan) -> list[str]:
    return [contestant.name for contestant in contestants(gate)]


# Who stands beside whom


@pytest.mark.parametrize(
    ("budgets", "variant", "wanted"),
    [
        (["loss <= 10 %"], "exact", ["exact", YARDSTICK]),
        (["loss <= 10 %", "memory <= 3 GB", "unattributed <= 2 %"], "optimized", ["optimized", YARDSTICK]),
        (["paco-tax <= 15 %"], "exact", ["exact", YARDSTICK]),
        (["exact over baseline >= 1.5x"], "exact", ["exact", "baseline"]),
        (["exact over baseline >= 1.5x"], "baseline", ["baseline", "exact"]),
        (["optimized: loss <= 10 %"], "exact", ["exact", "optimized"]),
        (["fidelity of fused-loss"], "exact", ["exact", "fused-loss"]),
        (["fidelity"], "exact", ["exact", YARDSTICK]),
        (
            ["d32: loss <= 10 %", "loss <= 10 %", "paco-tax <= 15 %", "exact over d32 >= 1x", "d32: memory <= 3 GB"],
            "exact",
            ["exact", "d32", YARDSTICK],
        ),
        (["exact+bfloat16: loss <= 10 %"], "exact", ["exact", "exact+bfloat16"]),
    ],
)
def test_the_gates_own_variant_is_first_and_everyone_else_stands_there_once(
    budgets: list[str], variant: str, wanted: list[str]
) -> None:
    assert names(planned(*budgets, variant=variant)) == wanted


def test_budgets_are_questions_in_their_order_and_a_revision_is_the_last() -> None:
    gate = planned("loss <= 10 %", "exact over baseline >= 1.5x", against=AGAINST)
    assert [(check.name, check.kind, check.quantity) for check in gate.checks] == [
        ("loss <= 10 %", "budget", "share"),
        ("exact over baseline >= 1.5x", "budget", "step"),
        ("against main", "revision", "step"),
    ]
    assert [(check.subject, check.other) for check in gate.checks[:2]] == [("exact", ""), ("exact", "baseline")]
    # The comparison of two trees is not there yet.
    assert [check.comparison for check in gate.checks] == [0, 0, None]
    assert [check.smallest_effect for check in gate.checks] == [0.0, 0.0, 0.02]
    assert gate.revision == "main"


def test_a_revision_alone_needs_nothing_else() -> None:
    gate = planned(against=AGAINST)
    assert gate.own is None
    assert [check.name for check in gate.checks] == ["against main"]


def test_two_trees_are_one_contestant_twice() -> None:
    gate = planned(against=AGAINST, set={"batch_size": 2}, timeout=7.0, seed=5, max_minutes=2.0, launches=9)
    comparison = gate.of_two_trees("a" * 12, "b" * 12 + "+", "main", "working tree")
    before, after = comparison.contestants
    assert (before.name, before.revision) == ("main", "a" * 12)
    assert (after.name, after.revision) == ("working tree", "b" * 12 + "+")
    assert before.workload == after.workload == gate.subject.workload
    assert before.workload.batch_size == 2
    found = comparison.plan
    assert (found.launches, found.max_seconds, found.timeout, found.fidelity, found.seed) == (9, 120.0, 7.0, False, 5)


# On what


def test_the_yardstick_is_a_plain_step_on_the_same_backbone_with_the_same_update() -> None:
    settings = {
        "backbone": "resnet34",
        "batch_size": 2,
        "image_size": 96,
        "num_classes": 5,
        "precision": "bfloat16",
        "clip_norm": 1.0,
        "learning_rate": 0.01,
        "dim": 32,
        "compile": True,
    }
    subject, yardstick = contestants(planned("paco-tax <= 15 %", set=settings, seed=3, device="cpu"))
    w = yardstick.workload
    assert w.model == "paco_prof.paco2.plain:PlainTwoView"
    assert dict(w.model_args) == {"backbone_name": "resnet34", "num_classes": 5, "image_size": 96}
    assert (w.forms, w.compile, yardstick.variant.kind) == (REFERENCE, False, "different")
    own = subject.workload
    same = ("batch_size", "image_size", "num_classes", "precision", "clip_norm", "learning_rate", "channels_last")
    assert [getattr(w, name) for name in same] == [getattr(own, name) for name in same]
    assert (w.seed, w.device, w.threads, w.fused_optimizer) == (3, "cpu", 7, own.fused_optimizer)
    # Whatever the device cannot do is left out on both sides.
    assert yardstick.optional == subject.optional


def test_the_yardstick_of_a_users_model_has_a_backbone_of_its_own_where_nobody_says_which() -> None:
    _, yardstick = contestants(planned("loss <= 10 %", **OWN, set={"image_size": 64, "num_classes": 7}))
    assert dict(yardstick.workload.model_args) == {"backbone_name": "resnet18", "num_classes": 7, "image_size": 64}
    _, told = contestants(planned("paco-tax <= 10 %", **OWN, set={"backbone": "resnet34"}))
    assert dict(told.workload.model_args)["backbone_name"] == "resnet34"


def test_a_users_model_is_measured_with_its_arguments() -> None:
    subject, _ = contestants(planned("loss <= 10 %", **OWN, model_args={"width": 8, "deep": True}))
    assert subject.workload.model == "my_models:build"
    assert subject.workload.model_args == (("width", 8), ("deep", True))


@pytest.mark.parametrize(("cores", "wanted"), [(1, 1), (2, 1), (8, 7)])
def test_one_core_is_left_free(cores: int, wanted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "usable_cores", lambda: cores)
    gate = planned("exact over baseline >= 1.5x", "paco-tax <= 15 %", against=AGAINST)
    assert {contestant.workload.threads for contestant in (*contestants(gate), gate.subject)} == {wanted}


def test_as_many_threads_are_used_as_were_asked_for() -> None:
    assert planned("loss <= 10 %", threads=12).subject.workload.threads == 12


def test_variants_of_the_project_take_part(tmp_path: Path) -> None:
    (tmp_path / "paco-prof.toml").write_text('[variants.mine]\nuse = ["exact"]\nset = { d = 16 }\n')
    gate = planned("mine over exact >= 1.1x", variant="mine", root=tmp_path)
    assert gate.subject.workload.dim == 16
    assert gate.project == tmp_path
    # Without a file the project is where the command was started.
    assert planned("mine over exact >= 1.1x", variant="mine", folder=tmp_path).project == tmp_path


# For how long


@pytest.mark.parametrize(
    ("launches", "first_look"), [(1, None), (7, None), (9, None), (10, 8), (14, 8), (17, 8), (18, 9), (30, 15)]
)
def test_it_pays_to_look_halfway_from_ten_launches_on(launches: int, first_look: int | None) -> None:
    gate = planned("loss <= 10 %", launches=launches)
    assert (gate.plan.launches, gate.plan.first_look) == (launches, first_look)


def test_every_pair_has_its_minutes_and_fidelity_is_measured_where_somebody_asks() -> None:
    alone = planned("loss <= 10 %", max_minutes=2.0, timeout=9.0).own
    pairs = planned("fidelity", "d32: loss <= 10 %", "paco-tax <= 15 %", max_minutes=2.0).own
    assert alone is not None
    assert pairs is not None
    assert (alone.plan.max_seconds, alone.plan.timeout, alone.plan.fidelity) == (120.0, 9.0, False)
    assert (pairs.plan.max_seconds, pairs.plan.timeout, pairs.plan.fidelity) == (240.0, 600.0, True)


def test_what_is_let_pass_is_planned() -> None:
    table = CheckTable(budgets=(parse_budget("loss <= 10 %"),))
    assert [plan_gate(table, Path(), inconclusive_ok=ok).plan.inconclusive_ok for ok in (False, True)] == [False, True]


# What is refused


@pytest.mark.parametrize(
    ("budgets", "table", "message"),
    [
        ([], {}, "There is nothing to check."),
        (["loss <= 10 %"], {"variant": "nope"}, "There is no variant 'nope'."),
        (["nope: loss <= 10 %"], {}, "There is no variant 'nope'."),
        (["exact over nope >= 1x"], {}, "There is no variant 'nope'."),
        (
            ["d32: paco-tax <= 15 %"],
            {},
            "'d32: paco-tax <= 15 %': a tax is of the gate's own variant, which is exact.",
        ),
        (
            ["d32 over baseline >= 1.5x"],
            {},
            "'d32 over baseline >= 1.5x': one of the two has to be the gate's own variant, which is exact. Say variant "
            "= 'd32', or budget another pair.",
        ),
        (
            ["paco-tax <= 15 %"],
            OWN,
            "'paco-tax <= 15 %': of a model of your own there is no plain step on its backbone. Name its timm "
            "backbone: set = { backbone = ... }.",
        ),
        (
            ["loss <= 10 %"],
            {**OWN, "set": {"dim": 32}},
            "baseline: dim is a setting of PaCo-2 here, and my_models:build knows nothing of it. What your factory "
            "takes is given to it: --model-arg NAME=VALUE, or model_args of the configuration.",
        ),
        (["loss <= 10 %"], {**OWN, "variant": "fused-loss"}, "fused-loss: contrast is a setting of PaCo-2 here"),
        (["loss <= 10 %", "d32: loss <= 10 %"], OWN, "d32: dim is a setting of PaCo-2 here"),
        (["loss <= 10 %"], {"variant": "d32", "set": {"dim": 16}}, "Variant 'd32' sets dim to 32"),
        (
            ["loss <= 10 %"],
            {**OWN, "variant": "efficientnet-b0", "set": {"backbone": "resnet18"}},
            "efficientnet-b0: backbone is a setting of PaCo-2 here",
        ),
        (
            ["fidelity"],
            OWN,
            "'fidelity': of a model of your own fidelity is of a drop-in, and baseline has none. Name one, --replace "
            "COMPONENT=MODULE:FACTORY, or budget the fidelity of drop-in.",
        ),
        (["fidelity of channels-last"], OWN, "'fidelity of channels-last': of a model of your own fidelity is of a"),
        (["fidelity"], {**OWN, "set": {"replace": {"neck": "my:Fast"}}}, "'fidelity': of a model of your own fidelity"),
        (["fidelity of d32"], {}, "'fidelity of d32': d32 claims to be different, so that nothing can contradict it."),
        (
            [],
            {**OWN, "against": AGAINST, "outside": {"model": "--model '../x.py:build'"}},
            "--model '../x.py:build' is the same file whichever revision is measured.",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(budgets: list[str], table: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as told:
        planned(*budgets, **table)
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("budget", ["fidelity of drop-in", "fidelity of drop-in-pool+channels-last"])
def test_the_fidelity_of_a_drop_in_can_be_budgeted(budget: str) -> None:
    gate = planned(budget, **OWN)
    assert gate.own is not None
    assert gate.own.plan.fidelity
    planned("fidelity", **{**OWN, "variant": "drop-in"}, replace={"neck": "my:Fast"})


def test_a_file_elsewhere_is_measured_and_no_record_says_where(tmp_path: Path) -> None:
    gate = planned("loss <= 10 %", **OWN, python_path=(str(tmp_path), "."), outside={"model": "--model"})
    assert gate.own is not None
    assert str(tmp_path) not in gate.own.model_dump_json()


def test_settings_of_paco_2_are_refused_beside_a_revision_too() -> None:
    with pytest.raises(UsageError, match="is a setting of PaCo-2 here, and my_models:build knows nothing of it"):
        planned(against=AGAINST, **{**OWN, "variant": "exact"})
    with pytest.raises(UsageError, match="is a setting of PaCo-2 here"):
        baseline_comparison(CheckTable(**OWN, set={"num_parts": 2}), Path())


@pytest.mark.parametrize("variant", ["bfloat16", "channels-last"])
def test_what_can_be_set_of_any_step_can_be_set_of_a_users_model(variant: str) -> None:
    subject, _ = contestants(planned("loss <= 10 %", **{**OWN, "variant": variant}, set={"batch_size": 2}))
    assert changed_settings(subject.workload, subject.base)


# A saved baseline


@pytest.fixture
def saved(tmp_path: Path) -> Baseline:
    """Seven launches of `exact`, as they turned out to be on a CPU."""
    comparison = baseline_comparison(CheckTable(launches=7), tmp_path)
    players = Players(steady(), CPU)
    from paco_prof.gate.run import own_launcher

    launcher = own_launcher(CheckTable(), tmp_path, players.launcher)
    record = Referee(comparison, launcher, Silent(), lambda record: None).run().record
    path = tmp_path / "baseline.json"
    write_record(path, record)
    return Baseline("baseline.json", path, 0.04)


def changed(baseline: Baseline, **changes: Any) -> Baseline:
    """The baseline with another record in its file."""
    from paco_prof.store import read_kind

    record = read_kind(baseline.path, ComparisonRecord)
    write_record(baseline.path, record.model_copy(update=changes))
    return baseline


def test_beside_a_saved_baseline_the_step_stands_beside_the_yardstick(saved: Baseline) -> None:
    gate = planned("exact over baseline >= 1.5x", baseline=saved)
    assert names(gate) == ["exact", "baseline", YARDSTICK]
    check = gate.checks[-1]
    assert (check.name, check.kind, check.subject, check.other) == (
        "against baseline.json",
        "record",
        "exact",
        YARDSTICK,
    )
    assert check.smallest_effect == 0.04
    assert check.saved is not None
    assert len(check.saved.launches_of(1)) == 7


def test_a_baseline_is_what_the_plan_of_a_baseline_measures(tmp_path: Path) -> None:
    comparison = baseline_comparison(CheckTable(timeout=9.0, max_minutes=1.0), tmp_path, ["paco-prof", "baseline"])
    assert [contestant.name for contestant in comparison.contestants] == ["exact", YARDSTICK]
    assert comparison.command == ("paco-prof", "baseline")
    assert (comparison.plan.launches, comparison.plan.timeout, comparison.plan.max_seconds) == (14, 9.0, 60.0)


def test_what_the_device_left_out_then_is_no_difference(saved: Baseline) -> None:
    from paco_prof.store import read_kind

    record = read_kind(saved.path, ComparisonRecord)
    first = record.contestants[0]
    assert first.workload.cudnn_benchmark
    used = first.variant.model_copy(update={"left_out": {"cudnn_benchmark": "there is no cuDNN"}})
    workload = first.workload.model_copy(update={"cudnn_benchmark": False})
    built = first.model_copy(update={"variant": used, "workload": workload})
    assert planned(baseline=changed(saved, contestants=(built, record.contestants[1]))).checks
    # Without a reason it is one.
    silent = first.model_copy(update={"workload": workload})
    with pytest.raises(UsageError, match="measures something else: cudnn_benchmark is False there"):
        planned(baseline=changed(saved, contestants=(silent, record.contestants[1])))


def test_too_few_launches_are_no_baseline(saved: Baseline) -> None:
    from paco_prof.store import read_kind

    launches = read_kind(saved.path, ComparisonRecord).launches
    with pytest.raises(UsageError, match=r"baseline\.json has 6 launches; a verdict needs 7\."):
        planned(baseline=changed(saved, launches=launches[:6]))


def test_a_comparison_of_two_variants_is_no_baseline(saved: Baseline) -> None:
    from comparisons import comparison_record

    write_record(saved.path, comparison_record(launches=8))
    with pytest.raises(UsageError, match=r"baseline\.json is a comparison, and no baseline\. paco-prof baseline save"):
        planned(baseline=saved)


def test_a_baseline_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        planned(baseline=Baseline("missing.json", tmp_path / "missing.json", 0.03))
