"""Settings are changed in one way, by names that are known and to values that can be; a workload survives JSON."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from builders import changed_data, cpu_record
from paco_prof.errors import BadRecordError, UsageError
from paco_prof.forms import REFERENCE, Forms
from paco_prof.settings import (
    ALIASES,
    Workload,
    canonical,
    changed_settings,
    restored,
    settable,
    with_settings,
)
from paco_prof.store import read_record

DEFAULT = Workload()
# Values that a setting can have, its default among them for some.
POSSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "backbone": st.sampled_from(("resnet50", "test_vit")),
    "batch_size": st.integers(1, 64),
    "image_size": st.none() | st.integers(1, 512),
    "dim": st.integers(1, 128),
    "alpha": st.floats(-2, 2),
    "gamma": st.floats(0, 1),
    "epsilon": st.floats(0, 1),
    "metric": st.sampled_from(("fro", "log-euclidean", "stein")),
    "use_semi_hard": st.booleans(),
    "precision": st.sampled_from(("float32", "bfloat16", "float16")),
    "channels_last": st.booleans(),
    "learning_rate": st.floats(1e-9, 1),
    "schedule": st.sampled_from(("constant", "cosine")),
    "clip_norm": st.none() | st.floats(1e-3, 1e3),
    "epoch": st.integers(0, 100),
    "contrast": st.sampled_from(("loop", "fused")),
    "max_negatives": st.none() | st.integers(1, 64),
    "hard_negative_mining": st.booleans(),
    "sampling": st.sampled_from(("loop", "batched", "separable")),
    "peaks_every": st.integers(1, 9),
    "pool": st.sampled_from(("shared", "folded", "other-images")),
    "parts_dtype": st.sampled_from(("model", "float64")),
    "views": st.sampled_from(("separate", "together")),
}
SETTINGS = st.fixed_dictionaries({}, optional=POSSIBLE)


def value_of(workload: Workload, name: str) -> Any:
    """A setting's value, wherever it is kept."""
    return getattr(workload.forms if hasattr(workload.forms, name) else workload, name)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("dim", "32", 32),
        ("batch_size", "16", 16),
        ("gamma", "0", 0.0),
        ("epsilon", "1e-2", 0.01),
        ("metric", "stein", "stein"),
        ("backbone", "efficientnet_b0", "efficientnet_b0"),
        ("precision", "bfloat16", "bfloat16"),
        ("clip_norm", "0.5", 0.5),
        ("max_negatives", "16", 16),
        ("peaks_every", "4", 4),
        ("contrast", "fused", "fused"),
        ("pool", "other-images", "other-images"),
        ("views", "together", "together"),
    ],
)
def test_text_becomes_what_the_setting_is(name: str, text: str, value: object) -> None:
    found = value_of(with_settings(DEFAULT, {name: text}), name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_an_alias_sets_the_same(alias: str, name: str) -> None:
    value = {"backbone": "test_vit", "hard_negative_mining": True, "learning_rate": 0.5}.get(name, 3)
    assert canonical(alias) == name
    assert with_settings(DEFAULT, {alias: value}) == with_settings(DEFAULT, {name: value}) != DEFAULT


def test_the_papers_letters_are_aliases() -> None:
    changed = with_settings(DEFAULT, {"K": "3", "r": "7", "d": "32", "lr": "0.1", "max_negatives_per_sample": "9"})
    assert (changed.num_parts, changed.window, changed.dim, changed.learning_rate) == (3, 7, 32, 0.1)
    assert changed.forms.max_negatives == 9


def test_dashes_are_underscores() -> None:
    changed = with_settings(DEFAULT, {"channels-last": "true", "hard-negative-mining": "true", "batch-size": "2"})
    assert changed.channels_last
    assert changed.forms.hard_negative_mining
    assert changed.batch_size == 2


@pytest.mark.parametrize("text", ["none", "None", "NONE"])
@pytest.mark.parametrize("name", ["max_negatives", "clip_norm", "image_size"])
def test_none_is_none(name: str, text: str) -> None:
    before = with_settings(DEFAULT, {name: 7})
    assert value_of(with_settings(before, {name: text}), name) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, True) for text in ("true", "True", "1", "yes", "on", True)),
        *((text, False) for text in ("false", "FALSE", "0", "no", "off", False)),
    ],
)
@pytest.mark.parametrize("name", ["compile", "use_semi_hard", "cache_covariance_inverse"])
def test_booleans(name: str, text: str | bool, value: bool) -> None:
    assert value_of(with_settings(DEFAULT, {name: text}), name) is value


def test_forms_are_set_by_their_own_names_and_the_others_stay() -> None:
    before = with_settings(DEFAULT, {"matching": "batched"})
    after = with_settings(before, {"contrast": "fused", "dim": 32})
    assert after.forms == Forms(contrast="fused", matching="batched")
    assert after == before.model_copy(update={"forms": after.forms, "dim": 32})
    assert before.forms == Forms(matching="batched")


def test_no_settings_change_nothing() -> None:
    assert with_settings(DEFAULT, {}) == DEFAULT


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("dimm", "dim"),
        ("gama", "gamma"),
        ("batchsize", "batch_size"),
        ("max_negative", "max_negatives"),
        ("channel-last", "channels_last"),
        ("Num-Parts", "num_parts"),
        ("use_hard_negatives_mining", "use_hard_negative_mining"),
    ],
)
def test_an_unknown_name_is_refused_with_what_is_near(name: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        with_settings(DEFAULT, {name: 1})
    assert caught.value.message == f"{name!r} is not a setting."
    assert near in caught.value.hint
    assert "Did you mean" in caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["qqqqqqq", "", "D"])
def test_with_nothing_near_all_names_are_told(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        canonical(name)
    assert all(known in caught.value.hint for known in settable())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["forms", "device", "seed", "threads", "optimizer", "data", "matching_cost", "feature_map", "num_parameters"],
)
def test_what_an_option_chooses_or_building_tells_is_no_setting(name: str) -> None:
    assert name in Workload.model_fields
    assert name not in settable()
    with pytest.raises(UsageError, match="is not a setting"):
        with_settings(DEFAULT, {name: getattr(DEFAULT, name)})


IMPOSSIBLE = [
    ("gamma", "2"),
    ("gamma", "-0.1"),
    ("proto_momentum", "1.5"),
    ("batch_size", "0"),
    ("batch_size", "-8"),
    ("batch_size", "none"),
    ("dim", "2.5"),
    ("dim", 2.5),
    ("dim", "0"),
    ("dim", "eight"),
    ("dim", ""),
    ("window", "0"),
    ("num_parts", "0"),
    ("num_classes", ""),
    ("image_size", "0"),
    ("epoch", "-1"),
    ("warmup_epochs", "-1"),
    ("epsilon", "-1e-5"),
    ("tau", ""),
    ("metric", "foo"),
    ("metric", ""),
    ("precision", "float64"),
    ("schedule", "linear"),
    ("clip_norm", "0"),
    ("clip_norm", 0),
    ("clip_norm", "-1"),
    ("learning_rate", "-1"),
    ("learning_rate", "0"),
    ("learning_rate", "fast"),
    ("learning_rate", "nan"),
    ("channels_last", "maybe"),
    ("use_semi_hard", ""),
    ("backbone", "none"),
    ("contrast", "fuzed"),
    ("contrast", ""),
    ("matching", "hungarian"),
    ("sampling", "none"),
    ("views", "Together"),
    ("max_negatives", "0"),
    ("max_negatives", -3),
    ("max_negatives", "2.5"),
    ("max_negatives", ""),
    ("peaks_every", "0"),
    ("peaks_every", -1),
    ("peaks_every", "none"),
    ("cache_covariance_inverse", "perhaps"),
]


@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE)
def test_a_value_that_cannot_be_is_one_line_with_setting_and_value(name: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        with_settings(DEFAULT, {name: value})
    message = str(caught.value)
    shown = "None" if value == "none" else str(value)
    assert f"{name}={shown} " in message.replace("'", "").replace(":", " ")
    assert message.count(name) == 1
    assert message.endswith(".")
    assert "\n" not in message
    assert "Input" not in message


def test_the_impossible_value_is_named_among_others_that_are_fine() -> None:
    with pytest.raises(UsageError, match="metric='foo'"):
        with_settings(DEFAULT, {"dim": "32", "metric": "foo", "contrast": "fused"})
    with pytest.raises(UsageError, match="matching='foo'"):
        with_settings(DEFAULT, {"dim": "32", "matching": "foo", "contrast": "fused"})


def test_an_alias_that_is_set_wrongly_is_named_too() -> None:
    with pytest.raises(UsageError, match="dim='0'"):
        with_settings(DEFAULT, {"d": "0"})


@given(SETTINGS, SETTINGS)
def test_restoring_what_changed_takes_it_back(before: dict[str, Any], settings: dict[str, Any]) -> None:
    base = with_settings(DEFAULT, before)
    changed = with_settings(base, settings)
    assert restored(changed, base, changed_settings(changed, base)) == base


@given(SETTINGS, SETTINGS)
def test_the_changed_settings_are_all_it_takes(before: dict[str, Any], settings: dict[str, Any]) -> None:
    base = with_settings(DEFAULT, before)
    changed = with_settings(base, settings)
    found = changed_settings(changed, base)
    assert with_settings(base, found) == changed
    assert set(found) <= set(settings)
    assert all(value_of(base, name) != value for name, value in found.items())


@given(SETTINGS)
def test_restoring_some_leaves_the_others(settings: dict[str, Any]) -> None:
    changed = with_settings(DEFAULT, settings)
    some = [name for name in ("dim", "contrast") if name in settings]
    left = changed_settings(restored(changed, DEFAULT, some), DEFAULT)
    assert left == {
        name: value for name, value in changed_settings(changed, DEFAULT).items() if name not in ("dim", "contrast")
    }


def test_what_building_tells_is_no_change() -> None:
    built = DEFAULT.model_copy(update={"feature_map": (2048, 7, 7), "num_parameters": 3, "matching_cost": "cosine"})
    assert changed_settings(built, DEFAULT) == {}
    assert changed_settings(DEFAULT.model_copy(update={"device": "cuda:0", "seed": 4}), DEFAULT) == {}


def test_every_setting_is_there_once() -> None:
    names = settable()
    assert len(names) == len(set(names))
    assert {field.name for field in fields(Forms)} <= set(names)
    assert not {"forms", "device"} & set(names)


@pytest.mark.parametrize("name", settable())
def test_every_setting_can_be_set_to_what_it_is(name: str) -> None:
    assert with_settings(DEFAULT, {name: value_of(DEFAULT, name)}) == DEFAULT


def test_aliases_lead_to_settings_and_hide_none() -> None:
    assert set(ALIASES.values()) <= set(settable())
    assert not set(ALIASES) & set(settable())


@given(SETTINGS)
def test_any_workload_survives_json(settings: dict[str, Any]) -> None:
    workload = with_settings(DEFAULT, settings)
    again = Workload.model_validate_json(workload.model_dump_json())
    assert again == workload
    assert isinstance(again.forms, Forms)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("alpha", "nan"),
        ("beta", "-inf"),
        ("epsilon", "inf"),
        ("gamma", "nan"),
        ("learning_rate", "inf"),
        ("clip_norm", "inf"),
    ],
)
def test_a_number_without_end_is_refused_or_survives_json(name: str, text: str) -> None:
    """A record that holds one could not be read again, or would say something else."""
    try:
        workload = with_settings(DEFAULT, {name: text})
    except UsageError:
        return
    assert repr(Workload.model_validate_json(workload.model_dump_json())) == repr(workload)


def test_the_default_forms_are_the_reference() -> None:
    assert DEFAULT.forms == REFERENCE
    assert json.loads(DEFAULT.model_dump_json())["forms"]["contrast"] == "loop"


@pytest.mark.parametrize("name", ["max_negatives", "peaks_every"])
def test_forms_refuse_less_than_one(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name}=0"):
        Forms(**{name: 0})


@pytest.mark.parametrize("where", ["forms.bogus", "bogus"])
def test_a_key_that_nobody_knows_is_refused_in_a_record(where: str, tmp_path: Path) -> None:
    data = changed_data(cpu_record(), f"workload.{where}", 1)
    with pytest.raises(ValidationError, match="bogus"):
        Workload.model_validate(data["workload"])
    path = tmp_path / "run.json"
    path.write_text(json.dumps(data))
    with pytest.raises(BadRecordError, match=rf"workload\.{where}"):
        read_record(path)


@pytest.mark.parametrize(("name", "value"), [("peaks_every", 0), ("max_negatives", 0), ("contrast", "fuzed")])
def test_forms_that_cannot_be_are_refused_in_a_record(name: str, value: object, tmp_path: Path) -> None:
    data = json.loads(cpu_record().model_dump_json())
    data["workload"]["forms"][name] = value
    path = tmp_path / "run.json"
    path.write_text(json.dumps(data))
    with pytest.raises(BadRecordError, match=r"workload\.forms") as caught:
        read_record(path)
    assert "\n" not in str(caught.value)
