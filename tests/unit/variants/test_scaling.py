"""What can be varied, and everything that cannot."""

from __future__ import annotations

from typing import Any

import pytest

from builders import RESNET50
from paco_prof.errors import UsageError
from paco_prof.records import Factor
from paco_prof.settings import with_settings
from paco_prof.variants.contestants import Field
from paco_prof.variants.scaling import parse_factors, parse_target, scaled
from paco_prof.variants.variant import Variant

BATCH = Factor(name="batch_size", sizes=(2, 4))
SMALL = Variant("small", "Fewer dimensions.", "different", {"d": 16})
OWN_MODEL = RESNET50.model_copy(update={"model": "mine:build"})


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("batch-size=2,4", "batch_size"),
        ("batch_size=2, 4", "batch_size"),
        ("K=2,4", "num_parts"),
        ("parts=2,4", "num_parts"),
        ("num-parts=2,4", "num_parts"),
        ("d=2,4", "dim"),
        ("dim=2,4", "dim"),
        ("image-size=2,4", "image_size"),
        ("num-classes=2,4", "num_classes"),
    ],
)
def test_a_factor_has_the_names_that_its_option_has(text: str, name: str) -> None:
    assert parse_factors([text]) == (Factor(name=name, sizes=(2, 4)),)


def test_two_factors_give_a_grid_in_their_order() -> None:
    assert [factor.name for factor in parse_factors(["r=3,5", "batch-size=1,2,9"])] == ["window", "batch_size"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "Nothing is varied"),
        (["batch-size"], "'batch-size' is not of the form NAME=SIZE,SIZE"),
        (["=2,4"], "is not of the form"),
        (
            ["batchsize=2,4"],
            "'batchsize' is nothing that can be varied. Did you mean batch-size? There are batch-size, K,",
        ),
        (["windw=3,5"], "Did you mean r?"),
        (["gamma=1,2"], "'gamma' is nothing that can be varied."),
        (["zzz=1,2"], "varied. There are batch-size, K, r, d, image-size, num-classes."),
        (["batch-size=4"], "batch-size=4 is one size"),
        (["batch-size=8,4"], "batch-size=8,4: 4 comes after 8"),
        (["batch-size=2,4,4"], "4 comes after 4"),
        (["batch-size=2,four"], "'four' is no whole number from 1"),
        (["batch-size=2,4.5"], "'4.5' is no whole number"),
        (["batch-size=0,4"], "'0' is no whole number from 1"),
        (["batch-size=-2,4"], "'-2' is no whole number from 1"),
        (["batch-size=2,,4"], "'' is no whole number"),
        (["batch-size=2," + "9" * 5000], "is no whole number"),
        (["batch-size="], "'' is no whole number"),
        (["r=3,4"], "--vary r: 4 is even"),
        (["batch-size=2,4", "batch_size=8,16"], "batch-size stands there twice"),
        (["K=2,4", "parts=2,8"], "K stands there twice"),
        (["K=2,4", "d=2,4", "r=3,5"], "3 factors are varied"),
    ],
)
def test_what_cannot_be_varied_is_one_line(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_factors(texts)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_target_has_a_size_of_each_factor() -> None:
    window = Factor(name="window", sizes=(3, 5))
    assert parse_target("64", [BATCH]) == (64,)
    assert parse_target("64, 7", [BATCH, window]) == (64, 7)
    for text, message in {
        "64": "has 1 size, and batch-size and r are varied",
        "64,7,9": "has 3 sizes",
        "64,8": "8 is even",
        "many,7": "'many' is no whole number from 1",
        "": "has 1 size",
    }.items():
        with pytest.raises(UsageError) as raised:
            parse_target(text, [BATCH, window])
        assert message in str(raised.value)
    with pytest.raises(UsageError, match="'64,2' has 2 sizes, and batch-size is varied"):
        parse_target("64,2", [BATCH])


def test_variants_are_as_the_options_have_what_is_not_varied() -> None:
    baseline, exact = scaled(Field(RESNET50), ["baseline", "exact"], [BATCH])
    assert (baseline.name, baseline.workload) == ("baseline", RESNET50)
    assert exact.base == RESNET50
    assert exact.workload.forms != RESNET50.forms


@pytest.mark.parametrize(
    ("field", "names", "vary", "message"),
    [
        ({}, ["nope"], "d=8,16", "There is no variant 'nope'."),
        ({}, ["exact", "exact"], "d=8,16", "'exact' stands there twice."),
        ({"explicit": ("dim",)}, ["exact"], "d=8,16", "d is varied, and an option sets it to one value."),
        ({"own": (SMALL,)}, ["exact", "small"], "d=8,16", "Variant 'small' sets d to 16, and it is varied."),
        ({}, ["exact", "baseline+d32"], "d=8,16", "Variant 'baseline+d32' sets d to 32, and it is varied."),
        ({"base": OWN_MODEL}, ["baseline"], "K=2,4", "K is of PaCo-2 itself; mine:build decides by what makes it."),
        ({"base": OWN_MODEL}, ["baseline"], "r=3,5", "Vary batch-size, image-size, num-classes."),
    ],
)
def test_a_choice_that_would_be_undone_is_refused(
    field: dict[str, Any], names: list[str], vary: str, message: str
) -> None:
    with pytest.raises(UsageError) as raised:
        scaled(Field(**{"base": RESNET50, **field}), names, parse_factors([vary]))
    assert message in str(raised.value)


def test_a_variant_may_set_what_is_not_varied() -> None:
    (small,) = scaled(Field(RESNET50, (SMALL,)), ["small"], [BATCH])
    assert small.workload == with_settings(RESNET50, {"d": 16})


def test_a_model_of_ones_own_has_a_batch_images_and_classes() -> None:
    for vary in ("batch-size=2,4", "image-size=64,128", "num-classes=5,10"):
        (contestant,) = scaled(Field(OWN_MODEL), ["baseline"], parse_factors([vary]))
        assert contestant.workload == OWN_MODEL
