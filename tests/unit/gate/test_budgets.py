"""Budgets are read from sentences; what is none is refused with one that is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paco_prof.errors import UsageError
from paco_prof.gate.budgets import Budget, parse_budget, parse_effect


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("loss <= 10 %", {"quantity": "share", "stage": "loss", "at_most": 0.1}),
        ("loss/pac<=5%", {"quantity": "share", "stage": "loss/pac", "at_most": 0.05}),
        ("part_sampling <= 2.9 %", {"quantity": "share", "stage": "part_sampling", "at_most": 0.029}),
        ("backbone <= 100 %", {"quantity": "share", "stage": "backbone", "at_most": 1.0}),
        ("loss <= 0.1", {"quantity": "share", "stage": "loss", "at_most": 0.1}),
        ("loss <= .1", {"quantity": "share", "stage": "loss", "at_most": 0.1}),
        (
            "optimized+d32: loss <= 10 %",
            {"quantity": "share", "stage": "loss", "at_most": 0.1, "variant": "optimized+d32"},
        ),
        ("unattributed <= 2 %", {"quantity": "unattributed", "at_most": 0.02}),
        ("paco-tax <= 15 %", {"quantity": "paco tax", "at_most": 0.15}),
        ("PaCo tax <= 0.15", {"quantity": "paco tax", "at_most": 0.15}),
        ("baseline: paco_tax <= 230 %", {"quantity": "paco tax", "at_most": 2.3, "variant": "baseline"}),
        ("memory <= 3 GB", {"quantity": "memory", "at_most": 3e9}),
        ("Memory <= 1.5GiB", {"quantity": "memory", "at_most": 1.5 * 2**30}),
        ("memory <= 800 MB", {"quantity": "memory", "at_most": 8e8}),
        ("memory <= 512 mib", {"quantity": "memory", "at_most": 2.0**29}),
        (
            "exact over baseline >= 1.5x",
            {"quantity": "speed-up", "variant": "exact", "other": "baseline", "at_least": 1.5},
        ),
        (
            "exact over baseline >= 1.5",
            {"quantity": "speed-up", "variant": "exact", "other": "baseline", "at_least": 1.5},
        ),
        ("a over b >= 20 ×", {"quantity": "speed-up", "variant": "a", "other": "b", "at_least": 20.0}),
        ("fidelity", {"quantity": "fidelity"}),
        ("fidelity of exact", {"quantity": "fidelity", "variant": "exact"}),
        ("exact: fidelity", {"quantity": "fidelity", "variant": "exact"}),
        # Stages of one's own.
        ("head <= 3 %", {"quantity": "share", "stage": "head", "at_most": 0.03}),
        ("loss/focal <= 3 %", {"quantity": "share", "stage": "loss/focal", "at_most": 0.03}),
        ("stage transform <= 3 %", {"quantity": "share", "stage": "transform", "at_most": 0.03}),
        ("mine: stage my head <= 3 %", {"quantity": "share", "stage": "my head", "at_most": 0.03, "variant": "mine"}),
    ],
)
def test_sentences(text: str, parts: dict[str, Any]) -> None:
    assert parse_budget(text) == Budget(text=text, **parts)
    assert parse_budget(text, 0.02) == Budget(text=text, smallest_effect=0.02, **parts)


def test_spaces_do_not_matter_and_a_sentence_is_one_line() -> None:
    assert parse_budget(" exact :  loss\n <=  10  % ") == Budget(
        text="exact : loss <= 10 %", quantity="share", variant="exact", stage="loss", at_most=0.1
    )


def refusal(text: str) -> str:
    """The one line that a sentence is refused with."""
    with pytest.raises(UsageError) as caught:
        parse_budget(text)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss < 10 %", "'loss < 10 %' has '<' where '<=' belongs. Write 'loss <= 10 %'."),
        ("loss = 10 %", "'loss = 10 %' has '=' where '<=' belongs. Write 'loss <= 10 %'."),
        ("a over b > 2", "'a over b > 2' has '>' where '>=' belongs. Write 'a over b >= 2'."),
        ("loss >= 10 %", "'loss >= 10 %' asks for more of what a budget limits. Write 'loss <= 10 %'."),
        ("memory >= 3 GB", "'memory >= 3 GB' asks for more of what a budget limits. Write 'memory <= 3 GB'."),
        ("a over b <= 2", "'a over b <= 2' asks for less of what should be more. Write 'a over b >= 2'."),
        ("loss <= 10", "'loss <= 10' may mean a share or percent by 10. Write 'loss <= 10 %'."),
        ("m: loss <= 1", "'m: loss <= 1' may mean a share or percent by 1. Write 'm: loss <= 1 %'."),
        ("paco-tax <= 3", "'paco-tax <= 3' may mean a share or percent by 3. Write 'paco-tax <= 3 %'."),
        ("loss <= 10 ms", "'loss <= 10 ms' is to say how many percent, not '10 ms'. Write 'loss <= 10 %'."),
        ("loss <= 1,5 %", "'loss <= 1,5 %' is to say how many percent, not '1,5 %'. Write 'loss <= 10 %'."),
        ("loss", "'loss' has no bound. Write 'loss <= 10 %'."),
        ("loss <=", "'loss <=' has no bound. Write 'loss <= 10 %'."),
        (
            "loss <= 0 %",
            "'loss <= 0 %' allows what cannot be: a share of the step is more than 0 and at most 100 %. "
            "Write 'loss <= 10 %'.",
        ),
        (
            "unattributed <= 101 %",
            "'unattributed <= 101 %' allows what cannot be: a share of the step is more than 0 and at most 100 %. "
            "Write 'unattributed <= 10 %'.",
        ),
        (
            "paco-tax <= 0 %",
            "'paco-tax <= 0 %' allows what cannot be: a tax is more than 0. Write 'paco-tax <= 15 %'.",
        ),
        ("memory <= 3", "'memory <= 3' is to say how many MB, GB, MiB or GiB, not '3'. Write 'memory <= 3 GB'."),
        (
            "memory <= 3 TB",
            "'memory <= 3 TB' is to say how many MB, GB, MiB or GiB, not '3 TB'. Write 'memory <= 3 GB'.",
        ),
        ("memory <= 0 GB", "'memory <= 0 GB' allows a size that cannot be. Write 'memory <= 3 GB'."),
        (
            "exact over baseline >= 150 %",
            "'exact over baseline >= 150 %' is to say how many times as fast, not '150 %'. "
            "Write 'exact over baseline >= 1.5x'.",
        ),
        ("a over b >= 0x", "'a over b >= 0x' is to say how many times as fast, not '0x'. Write 'a over b >= 1.5x'."),
        ("a over a >= 2x", "'a over a >= 2x' holds a variant against itself. Write 'a over baseline >= 1.5x'."),
        ("c: a over b >= 2", "'c: a over b >= 2' names its variants without a colon. Write 'a over b >= 1.5x'."),
        (
            "fidelity <= 3 %",
            "'fidelity <= 3 %' has a bound, and fidelity is held to those of the tool. Write 'fidelity'.",
        ),
        ("a: fidelity of b", "'a: fidelity of b' names its variant twice. Write 'fidelity of b'."),
        ("", "'' is no budget. Write 'loss <= 10 %'."),
        ("<= 10 %", "'<= 10 %' is no budget. Write 'loss <= 10 %'."),
        ("a: b: loss <= 1 %", "'a: b: loss <= 1 %' is no budget. Write 'loss <= 10 %'."),
        ("loss <= 1 % <= 2 %", "'loss <= 1 % <= 2 %' is no budget. Write 'loss <= 10 %'."),
        (": loss <= 3 %", "': loss <= 3 %' names no variant before its colon. Write 'exact: loss <= 3 %'."),
        ("loss of a <= 3 %", "'loss of a <= 3 %' names its variant in the wrong place. Write 'a: loss <= 3 %'."),
        ("my head <= 3 %", "'my head <= 3 %' is about nothing that is known. Write 'stage my head <= 3 %'."),
    ],
)
def test_what_is_no_budget_is_one_line_with_one_that_is(text: str, message: str) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("loss/pca", "loss/pac"),
        ("los/pac", "loss/pac"),
        ("pac", "loss/pac"),
        ("PaC", "loss/pac"),
        ("Loss", "loss"),
        ("part sampling", "part_sampling"),
        ("part-sampling", "part_sampling"),
        ("sampling", "part_sampling"),
        ("backbones", "backbone"),
        ("optimiser", "optimizer"),
        ("unatributed", "unattributed"),
        ("memry", "memory"),
        ("pacotax", "paco-tax"),
    ],
)
def test_a_slip_of_the_pen_is_no_stage_of_ones_own(wrong: str, meant: str) -> None:
    assert f"Did you mean {meant}? " in refusal(f"{wrong} <= 5 %")
    assert parse_budget(f"stage {wrong} <= 5 %").stage == wrong


def test_a_slip_is_told_with_both_sentences() -> None:
    assert refusal("mine: loss/pca <= 5 %") == (
        "'mine: loss/pca <= 5 %': there is no stage 'loss/pca'. Did you mean loss/pac? "
        "Write 'mine: loss/pac <= 5 %', or 'mine: stage loss/pca <= 5 %' for a stage of your own."
    )
    assert refusal("memry <= 4 GB") == (
        "'memry <= 4 GB': there is no stage 'memry'. Did you mean memory? "
        "Write 'memory <= 3 GB', or 'stage memry <= 10 %' for a stage of your own."
    )


def plain(number: Decimal) -> str:
    """All digits of a number, without an exponent."""
    return f"{number:f}"


@given(st.floats(1e-6, 1.0))
def test_a_share_survives_being_written(bound: float) -> None:
    budget = parse_budget(f"loss <= {plain(Decimal(repr(bound)).scaleb(2))} %")
    assert budget.at_most == bound
    if bound < 1:
        assert parse_budget(f"loss <= {plain(Decimal(repr(bound)))}").at_most == bound


@given(st.floats(1e-3, 1e3))
def test_a_ratio_survives_being_written(bound: float) -> None:
    assert parse_budget(f"a over b >= {plain(Decimal(repr(bound)))}x").at_least == bound


@given(st.integers(1, 2**53), st.sampled_from((("MB", 10**6), ("GB", 10**9), ("MiB", 2**20), ("GiB", 2**30))))
def test_memory_survives_being_written(number: int, unit: tuple[str, int]) -> None:
    name, size = unit
    bound = parse_budget(f"memory <= {number} {name}").at_most
    assert bound == float(number * size)
    assert bound is not None
    assert parse_budget(f"memory <= {plain(Decimal(bound).scaleb(-9))} GB").at_most == bound


@given(st.text())
def test_any_text_is_a_budget_or_one_line(text: str) -> None:
    try:
        said = parse_budget(text).text
    except UsageError as error:
        said = str(error)
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("value", "effect"),
    [("3 %", 0.03), ("2.9%", 0.029), ("0.03", 0.03), (0.03, 0.03), (1e-5, 1e-5), (" 3 % ", 0.03), ("99.9 %", 0.999)],
)
def test_effects(value: object, effect: float) -> None:
    assert parse_effect(value) == effect


def test_an_effect_of_nothing_has_to_be_allowed() -> None:
    assert parse_effect(0, may_be_zero=True) == 0
    assert parse_effect("0 %", may_be_zero=True) == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "3 may be a share or percent. Write '3 %'."),
        ("3", "3 may be a share or percent. Write '3 %'."),
        (1.0, "1.0 may be a share or percent. Write '1.0 %'."),
        (0, "0 is not between 0 and 100 %. Write '3 %'."),
        ("0 %", "'0 %' is not between 0 and 100 %. Write '3 %'."),
        ("100 %", "'100 %' is not between 0 and 100 %. Write '3 %'."),
        (-0.1, "-0.1 is no change that could matter. Write '3 %'."),
        (float("nan"), "nan is no change that could matter. Write '3 %'."),
        (float("inf"), "inf is no change that could matter. Write '3 %'."),
        (True, "True is no change that could matter. Write '3 %'."),
        ([3], "[3] is no change that could matter. Write '3 %'."),
        ("little", "'little' is no change that could matter. Write '3 %'."),
    ],
)
def test_what_is_no_effect_is_refused(value: object, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_effect(value)
    assert str(caught.value) == message
