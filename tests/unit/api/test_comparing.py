"""`paco_prof.compare` with processes that are played, and what no process could import."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import own_models
from comparisons import comparison_record
from own_models import QUICK, Tiny, build, refusal
from paco_prof import Comparison, OptimizedPaCoLoss, breakdown, compare, estimate
from paco_prof.errors import MeasurementError, UsageError
from paco_prof.measure import worker_process
from paco_prof.measure.user.model import find_named
from paco_prof.measure.worker_process import IN_WORKER, ProcessLauncher
from paco_prof.records import FailureKind
from played import Players, steady


def compared_with(
    trouble: Callable[..., FailureKind | None] = lambda *_: None, *names: str, **arguments: Any
) -> Comparison:
    """A comparison whose processes are played."""
    players = Players(steady(), trouble=trouble)
    arguments = {"launches": 2, "pairs": 3, "batch_size": 2, "image_size": 32, **arguments}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_process, "ProcessLauncher", lambda **_: players.launcher(SimpleNamespace(name="here")))  # type: ignore[arg-type]
        return compare(*names, **arguments)


def test_a_comparison_has_a_row_a_variant() -> None:
    result = compared_with(lambda *_: None, "baseline", "bfloat16", model=build)
    assert isinstance(result, Comparison)
    assert [c.workload.model for c in result.contestants] == ["own_models:build"] * 2
    assert result.status == "complete"
    frame = result.to_pandas()
    assert frame.variant.tolist() == ["baseline", "bfloat16"]
    assert frame.launches.tolist() == [2, 2]


def test_without_names_there_is_something_to_compare() -> None:
    assert [c.name for c in compared_with(model=Tiny).contestants] == ["baseline", "drop-in"]
    assert [c.name for c in compared_with(backbone="test_resnet").contestants] == ["baseline", "exact"]


def test_settings_are_the_baselines_of_a_comparison() -> None:
    result = compared_with(
        lambda *_: None, "baseline", "fused-loss", backbone="test_resnet", precision="bfloat16", seed=3
    )
    assert all(c.base.precision == "bfloat16" for c in result.contestants)
    assert (result.plan.launches, result.plan.pairs, result.plan.seed) == (2, 3, 3)
    assert result.plan.max_seconds == pytest.approx(60 * 4.5)


def test_an_interrupted_comparison_is_what_was_measured_until_then() -> None:
    def interrupt(_tree: str, _name: str, what: str, steps: int) -> None:
        interrupt.asked += what == "step"  # type: ignore[attr-defined]
        if interrupt.asked > 30:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    interrupt.asked = 0  # type: ignore[attr-defined]
    result = compared_with(interrupt, model=Tiny, launches=50)
    assert result.status == "interrupted"
    assert len(result.launches) < 50
    assert result._repr_html_()


def test_a_process_that_fails_ends_in_an_error_with_the_rest() -> None:
    def trouble(_tree: str, name: str, what: str, _steps: int) -> FailureKind | None:
        return "raised" if (name, what) == ("bfloat16", "start") else None

    with pytest.raises(MeasurementError, match="bfloat16: raised") as told:
        compared_with(trouble, "baseline", "channels-last", "bfloat16", model=Tiny)
    result = told.value.result
    assert isinstance(result, Comparison)
    assert result.to_pandas().launches.tolist()[1:] == [2, 0]


def test_a_drop_in_is_handed_on_by_its_name() -> None:
    contestants = compared_with(model=Tiny, replace={"criterion": OptimizedPaCoLoss}).contestants
    (component, by), *others = contestants[1].workload.replace
    assert (component, by.rpartition(":")[2], others) == ("criterion", "OptimizedPaCoLoss", [])
    assert find_named(by) is OptimizedPaCoLoss


def test_a_drop_in_that_is_not_compared_is_refused() -> None:
    told = refusal(lambda: compare("baseline", "bfloat16", model=Tiny, replace={"criterion": OptimizedPaCoLoss}))
    assert told.startswith("replace says what the variant drop-in is, and drop-in is not among what is measured.")
    assert "is an absolute path" in refusal(lambda: compare(model=Tiny, model_args={"width": "~/width"}))


class Inner:
    """Has something inside."""

    @staticmethod
    def build() -> Tiny:
        return Tiny()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Tiny(), "a live Tiny cannot be handed to them"),
        (lambda: Tiny(), "cannot import"),
        (partial(Tiny, 3), "cannot import"),
        (Tiny().set_epoch, "cannot import"),
        (3, "neither the name of something nor can be called"),
    ],
    ids=["live", "lambda", "partial", "method", "number"],
)
def test_what_no_other_process_could_import_is_refused(model: Any, words: str) -> None:
    told = refusal(lambda: compare(model=model))
    assert words in told
    assert "paco_prof.compare measures in processes of its own" in told or model == 3


def test_a_local_function_is_refused_and_one_inside_of_a_class_is_not() -> None:
    def local() -> Tiny:
        return Tiny()

    assert "<locals>.local" in refusal(lambda: compare(model=local))
    result = compared_with(model=Inner.build)
    assert result.contestants[0].workload.model == f"{__name__}:Inner.build"


def test_what_a_script_defines_is_imported_from_its_file(monkeypatch: pytest.MonkeyPatch, elsewhere: Path) -> None:
    (elsewhere / "my_script.py").write_text("")
    monkeypatch.setattr(build, "__module__", "__main__")
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__file__=str(elsewhere / "my_script.py"), build=build))  # type: ignore[misc]
    assert compared_with(model=build).contestants[0].workload.model == "my_script:build"
    assert breakdown(build, **QUICK).workload.model == "my_script:build"


@pytest.mark.parametrize("file", [{}, {"__file__": "<stdin>"}], ids=["notebook", "standard input"])
def test_what_a_notebook_defines_is_in_no_file(monkeypatch: pytest.MonkeyPatch, file: dict[str, str]) -> None:
    monkeypatch.setattr(build, "__module__", "__main__")
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(build=build, **file))  # type: ignore[misc]
    assert "Put build in a file, import it from there" in refusal(lambda: compare(model=build))
    # In the same process it is at hand.
    assert breakdown(build, **QUICK).workload.model == "__main__:build"


def test_workers_look_where_the_module_was_imported_from() -> None:
    asked: list[Any] = []

    def launcher(python_path: Any) -> Any:
        asked.append(python_path)
        return Players(steady()).launcher(SimpleNamespace(name="here"))  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_process, "ProcessLauncher", launcher)
        for model in (Tiny, "own_models:Tiny", "json:loads"):
            compare(model=model, launches=1, pairs=2, batch_size=2, image_size=32)
    here = Path(own_models.__file__).resolve().parent
    assert asked == [(here,), (here,), ()]


def test_a_script_that_is_imported_by_a_worker_starts_none(monkeypatch: pytest.MonkeyPatch, elsewhere: Path) -> None:
    (elsewhere / "unguarded.py").write_text(
        "import paco_prof\nfrom own_models import build\npaco_prof.compare(model=build)\n"
    )
    monkeypatch.syspath_prepend(elsewhere)
    monkeypatch.setenv(IN_WORKER, "1")
    with pytest.raises(UsageError) as told:
        find_named("unguarded:build")
    assert "paco_prof.compare is called while a process that measures imports this file" in str(told.value)
    assert 'if __name__ == "__main__"' in str(told.value)
    assert "(unguarded.py, line 3)" in str(told.value)
    for call in (breakdown, estimate):
        assert "if __name__" in refusal(call)


def test_a_worker_knows_that_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    environments: list[dict[str, str]] = []

    def start(_command: Any, environment: dict[str, str], _folder: Any) -> Any:
        environments.append(environment)
        return SimpleNamespace(send=lambda _: None)

    monkeypatch.setattr(worker_process, "WorkerProcess", start)
    ProcessLauncher()(comparison_record().baseline, keep_initial=False)
    assert environments[0][IN_WORKER] == "1"
