"""What stands below the tables of a measurement of growth: what their figures are, and what they are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paco_prof import units
from paco_prof.analysis.scale import ScaledVariant, ScaleView, VariantRatio
from paco_prof.analysis.scale_rows import REST, STEP
from paco_prof.records import ScaleRecord
from paco_prof.render.scale_cells import APART, LOWER_ORDER, POWER_ALONE, factor_words, marked_exponent, row_title
from paco_prof.render.scale_tables import growth_rows, memory_rows
from paco_prof.stats.growth import GROWS_FROM, Growth
from paco_prof.stats.summary import CONFIDENCE, SMALLEST_SHARE

__all__ = [
    "fixed_notes",
    "growth_notes",
    "left_out_notes",
    "margin_notes",
    "memory_notes",
    "method_notes",
    "ratio_notes",
]

_IN_SENTENCES = {"Peak": "the peak", "The rest": "the rest"}


def fixed_notes(view: ScaleView, variant: ScaledVariant) -> str:
    """The fixed costs of what stands in the table of growth; empty where that has a column for them."""
    return "" if len(view.factors) == 1 else _there_at_any_size(_fixed_times(variant))


def left_out_notes(variant: ScaledVariant) -> str:
    """How many stages are in no table; empty where all are."""
    if not variant.small:
        return ""
    names = f"{units.count(len(variant.small))} stage{'s' if len(variant.small) != 1 else ''}"
    return f"Left out: {names} below 1 % of the step at every size."


def growth_notes(view: ScaleView, variants: Sequence[ScaledVariant]) -> str:
    """What exponents, intervals, predictions and the marks beside them are; of marks, those that stand somewhere."""
    growths = [growth for variant in variants for growth in _shown(variant)]
    growths += [ratio.growth for ratio in view.ratios if ratio.growth is not None and ratio.growth.grows]
    notes = ["The exponent is p of a x^p, fitted to the medians at each size, in the logarithms."]
    if any(growth.exponent.low is not None for growth in growths):
        notes.append(
            f"Its interval ({units.round_percent(CONFIDENCE)}) allows, where sizes are enough, for a fixed cost, and "
            "for a power that is one less beside it."
        )
    if any(_has_fixed_cost(variant) for variant in variants):
        notes.append(
            "Where a power alone misses the sizes by more than noise (F test, 5 %), a fixed cost stands beside it, and "
            "the exponent is that of what grows."
        )
    if any(growth.lower_of is not None for growth in growths):
        notes.append(
            f"{LOWER_ORDER}: a power alone misses the sizes, a fixed cost does not help, and what fits is "
            "a x^p (1 + b/x)."
        )
    if any(growth.apart for growth in growths):
        notes.append(f"{APART}: a size that does not follow the others is left out of the fit.")
    if any(growth.is_taken_for_power for growth in growths):
        notes.append(
            f"{POWER_ALONE}: its fit is all but flat (within {units.ratio(GROWS_FROM)}), and taken for a power alone: "
            "what a fixed cost may hide is not in its interval."
        )
    return " ".join([*notes, *_prediction_notes(view, variants)])


def _shown(variant: ScaledVariant) -> Iterator[Growth]:
    """The growth of whatever stands in a table with an exponent."""
    rows = (*growth_rows(variant), *(row for _, row in memory_rows(variant)))
    yield from (row.growth for row in rows if row.growth is not None)


def _has_fixed_cost(variant: ScaledVariant) -> bool:
    """Whether one stands in the table of growth, or below that of memory."""
    return any(_fixed_times(variant)) or any(_fixed_memory(variant))


def _there_at_any_size(fixed: Iterator[str]) -> str:
    text = ", ".join(fixed)
    return f"There at any size: {text}." if text else ""


def _fixed_times(variant: ScaledVariant) -> Iterator[str]:
    for row in growth_rows(variant):
        cost = None if row.growth is None else row.growth.fixed_cost
        if cost is not None:
            name = row_title(row.path) if row.is_stage else "the step"
            yield f"{units.span_with_interval(cost.value, cost.low, cost.high)} of {name}"


def _prediction_notes(view: ScaleView, variants: Sequence[ScaledVariant]) -> Iterator[str]:
    has_target = any(variant.step is not None and variant.step.target is not None for variant in variants)
    is_sum = any(part.path != STEP for variant in variants for part in variant.parts)
    if is_sum and (has_target or any(variant.hindcast is not None for variant in variants)):
        large = "5 % or more, measured or at the target," if has_target else "5 % or more"
        yield (
            f"The step is predicted as the sum of its stages of {large} and of all the rest, each by its own fit, ends "
            "added up: what is put together of unlike powers has no power of its own, and what stands at the step only "
            "describes it within the sizes."
        )
        rests = [part.growth for variant in variants for part in variant.parts if part.path == REST]
        if any(growth is not None and growth.is_taken_for_power for growth in rests):
            yield "That rest is taken for a power alone."
    if has_target and any(row.depth for variant in variants for row in variant.rows if row.is_stage):
        yield "A row of a stage inside another has a fit of its own, and may be predicted a little above it."
    if has_target:
        yield "A predicted interval is for one new launch."


def memory_notes(variant: ScaledVariant) -> str:
    """Whose peak it is, what stands below it, and what of all that does not grow."""
    notes = [f"The peak is {'the device' if variant.peak_of == 'device' else 'the whole process'}'s."]
    rest = variant.peak_rest
    if variant.saved:
        beside = "" if rest is None else "; the rest is parameters, the optimizer's state and the like"
        notes.append(f"Below it, what the forward pass keeps for the backward pass, by stage{beside}.")
    if rest is not None:
        ends = "" if rest.target is None else "; at the target their ends are added up"
        notes.append(f"The peak is taken for the sum of these, which has no power of its own{ends}.")
    return " ".join(filter(None, (*notes, _there_at_any_size(_fixed_memory(variant)))))


def _fixed_memory(variant: ScaledVariant) -> Iterator[str]:
    """What is there at any size, where it is worth naming beside all that there is at the smallest."""
    for title, row in memory_rows(variant):
        cost = None if row.growth is None else row.growth.fixed_cost
        if cost is not None and cost.value >= SMALLEST_SHARE * min(min(values) for values in row.launches.values()):
            name = _IN_SENTENCES.get(title, title)
            yield f"{units.gigabytes_interval(cost.value, cost.low, cost.high)} of {name}"


def margin_notes(searched: Sequence[ScaledVariant]) -> str:
    """What a margin is not; empty where there is none."""
    of = {
        each.largest.of_device
        for each in searched
        if each.largest is not None and each.largest.limit_bytes is not None and each.largest.peak_bytes is not None
    }
    notes = []
    if False in of:
        notes.append("of a process, the limit counts memory that is reserved and not resident as well")
    if True in of:
        notes.append("of a device, the allocator reserves more than is allocated")
    text = "The margin is what the peak leaves of the limit, and less than that may be free: "
    return f"{text}{'; '.join(notes)}." if notes else ""


def ratio_notes(view: ScaleView) -> str:
    """What quotients are, and how they grow."""
    return " ".join(
        [
            "Quotients of medians over launches that nobody paired: to judge a difference of a few per cent, "
            "paco-prof compare takes both in turns.",
            *(_ratio_growth(view.factors, r, r.growth) for r in view.ratios if r.growth is not None),
        ]
    )


def _ratio_growth(factors: Sequence[str], ratio: VariantRatio, growth: Growth) -> str:
    if not growth.grows:
        return f"That of {ratio.variant.name} is about the same at every size."
    powers = " and ".join(f"{factor_words(f)}^{marked_exponent(growth, place)}" for place, f in enumerate(factors))
    fixed = growth.fixed_cost
    beside = "" if fixed is None else f", beside {units.precise_ratio(fixed.value)} at any size"
    verb = "grows" if all(exponent.value > 0 for exponent in growth.exponents) else "goes"
    return f"That of {ratio.variant.name} {verb} with {powers}{beside}."


def method_notes(record: ScaleRecord, view: ScaleView, num_machines: int) -> str:
    """How launches become figures, and how many there are."""
    points = [point for point in record.points if point.is_complete]
    planned = record.plan.launches * len(view.sizes) * len(view.variants)
    steps = _steps_of([len(point.training.steps) for point in points])
    seconds = "" if record.measuring_seconds is None else f" It took {units.duration(record.measuring_seconds)}."
    return (
        f"Every launch is a process of its own. {_launches(len(points), planned, num_machines, steps)} A launch is one "
        "number, its typical step; a size is the median over its launches, and an exponent rests on these medians. "
        "Intervals have as many degrees of freedom as there are sizes beyond the parameters of a fit, and are never "
        f"narrower than the scatter of launches makes them.{seconds}"
    )


def _launches(complete: int, planned: int, num_machines: int, steps: str) -> str:
    if num_machines > 1:
        of_all = f"of the {units.count(planned)} planned launches"
        return f"{units.count(complete)} {of_all} are of this machine, and complete{steps}."
    if complete == planned:
        return f"All {units.count(planned)} planned launches are complete{steps}."
    of_all = f"{units.count(complete)} of {units.count(planned)} planned launches"
    return f"{of_all} {'is' if complete == 1 else 'are'} complete{steps}; no other is in a figure."


def _steps_of(numbers: Sequence[int]) -> str:
    if not numbers:
        return ""
    low, high = min(numbers), max(numbers)
    return f" ({low} step{'s' if low != 1 else ''} each)" if low == high else f" ({low} to {high} steps each)"
