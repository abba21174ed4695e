"""The fused contrast against the loop and the oracle: value, gradient, ties, limits, precision; and folded pools."""

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import oracle
from paco_prof.errors import UsageError
from paco_prof.paco2 import contrast, negatives
from paco_prof.paco2.contrast import FusedPaCLoss
from paco_prof.paco2.covariance import joint_covariance, part_covariance
from paco_prof.paco2.losses import PaCLoss
from paco_prof.paco2.negatives import fold_rows, folded_pool, image_of_row, shared_pool
from paco_prof.paco2.selection import distinct_rows, select_negatives

ALPHA = 0.2
LEAVES = ("Z1t", "Z2t", "negatives_pool", "Sigma_plus")
KINDS = ("normal", "equal images", "equal parts", "offset")
POOLS = ("shared", "folded", "shuffled", "foreign", "copies", "empty")

Outcome = tuple[Tensor, dict[str, Tensor]]


@dataclass(frozen=True)
class Case:
    """The arguments of a contrast, float64, each to be differentiated apart from the others."""

    Z1t: Tensor
    Z2t: Tensor
    matching: Tensor
    negatives_pool: Tensor
    Sigma_plus: Tensor
    negatives_image: Tensor | None = None

    def run(self, loss: torch.nn.Module, dtype: torch.dtype = torch.float64) -> Outcome:
        """The loss and its gradient in every leaf; zeros where the loss is a constant."""
        leaves = {name: getattr(self, name).to(dtype).clone().requires_grad_() for name in LEAVES}
        value = loss(**leaves, matching=self.matching, negatives_image=self.negatives_image)
        assert value.shape == ()
        if not value.requires_grad:
            return value, {name: torch.zeros_like(leaf) for name, leaf in leaves.items()}
        gradients = torch.autograd.grad(value, list(leaves.values()))
        return value, dict(zip(LEAVES, gradients, strict=True))

    def rounded(self, dtype: torch.dtype) -> "Case":
        """The case with all floating-point arguments rounded to a narrower type, still held in float64."""
        return replace(self, **{name: getattr(self, name).to(dtype).double() for name in LEAVES})

    def arrays(self) -> list[Any]:
        """The arguments that the oracle begins with."""
        return [getattr(self, name).numpy() for name in ("Z1t", "Z2t", "matching", "negatives_pool", "Sigma_plus")]

    def num_distinct(self) -> int:
        """How many different rows the pool has."""
        return len(self.negatives_pool.unique(dim=0)) if len(self.negatives_pool) else 0

    def distances(self) -> tuple[Tensor, Tensor]:
        """From each anchor to its positive, (B, K), and to each row of the pool, (B, K, N)."""
        positives = torch.stack([Z[order] for Z, order in zip(self.Z2t, self.matching, strict=True)])
        factor = torch.linalg.cholesky(self.Sigma_plus)[:, None]

        def norm(difference: Tensor) -> Tensor:
            return torch.linalg.solve_triangular(factor, difference.mT, upper=False).norm(dim=2)

        d_pos = norm((self.Z1t - positives)[:, :, None])[..., 0]
        return d_pos, norm(self.Z1t[:, :, None] - self.negatives_pool)


def make_pool(Z1: Tensor, Z2: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """A pool of one of the kinds; `copies` is the shared one with some rows more often than others."""
    shared = shared_pool(Z1, Z2)
    if kind == "folded":
        return folded_pool(Z1, Z2)
    if kind == "foreign":
        return Z1.mean() + torch.randn(7, Z1.shape[2], dtype=Z1.dtype, generator=generator)
    if kind == "empty":
        return shared[:0]
    if kind == "copies" and len(shared):
        again = torch.randint(len(shared), (len(shared) // 2 + 1,), generator=generator)
        shared = torch.cat([shared, shared[again]])
    return shared if kind == "shared" else shared[torch.randperm(len(shared), generator=generator)]


def random_matching(num_images: int, num_parts: int, generator: torch.Generator) -> Tensor:
    """A permutation of the parts for each image, (B, K)."""
    return torch.stack([torch.randperm(num_parts, generator=generator) for _ in range(num_images)])


def make_case(
    seed: int, num_images: int, num_parts: int, dim: int, epsilon: float, kind: str = "normal", pool: str = "shared"
) -> Case:
    """Parts of one of the kinds, positives nearer than most negatives, with the metric that the model gives them."""
    generator = torch.Generator().manual_seed(seed)
    Z1, noise = torch.randn(2, num_images, num_parts, dim, dtype=torch.float64, generator=generator)
    Z2 = Z1 + 0.5 * noise
    if kind == "equal images":
        Z1, Z2 = Z1[:1].repeat(num_images, 1, 1), Z2[:1].repeat(num_images, 1, 1)
    if kind == "equal parts":
        Z1, Z2 = Z1[:, :1].repeat(1, num_parts, 1), Z2[:, :1].repeat(1, num_parts, 1)
    if kind == "offset":
        Z1, Z2 = Z1 + 100, Z2 + 100
    plus = joint_covariance(part_covariance(Z1, epsilon), part_covariance(Z2, epsilon), epsilon)
    matching = random_matching(num_images, num_parts, generator)
    return Case(Z1, Z2, matching, make_pool(Z1, Z2, pool, generator), plus)


def make_lattice(seed: int, num_images: int, num_parts: int, dim: int, pool: str) -> Case:
    """Parts of small integers, so that different rows are equally far and the loop's distances tell it.

    Under 4 I these are exact. Under 9 I they are rounded, in two dimensions equal ones alike: the fused form has other
    roundings there, which must not tell them apart.
    """
    generator = torch.Generator().manual_seed(seed)
    Z1, Z2 = torch.randint(-2, 3, (2, num_images, num_parts, dim), generator=generator).double()
    scale = 9 if dim == 2 and seed % 4 else 4
    plus = scale * torch.eye(dim, dtype=torch.float64).repeat(num_images, 1, 1)
    matching = random_matching(num_images, num_parts, generator)
    rows = make_pool(Z1, Z2, pool, generator).round() + 0.0  # no -0.0, which is another row than 0.0
    return Case(Z1, Z2, matching, rows, plus)


def owned(case: Case, seed: int) -> Case:
    """The case against a folded pool whose rows belong to its images: as they lie, or shuffled, some twice."""
    pool = folded_pool(case.Z1t, case.Z2t)
    owner = image_of_row(pool, len(case.Z1t))
    order = torch.arange(len(owner))
    if seed % 4 > 1:
        generator = torch.Generator().manual_seed(seed)
        order = torch.cat([order, order[::3]])[torch.randperm(len(order) + len(order[::3]), generator=generator)]
    return replace(case, negatives_pool=pool[order], negatives_image=owner[order])


seeds = st.integers(0, 2**31)
sizes = st.integers(1, 4)
dims = st.sampled_from([1, 2, 5, 16])
epsilons = st.sampled_from([1e-5, 1e-2, 1.0])
cases = st.builds(make_case, seeds, sizes, sizes, dims, epsilons, st.sampled_from(KINDS), st.sampled_from(POOLS))
lattices = st.builds(make_lattice, seeds, sizes, sizes, st.sampled_from([1, 2, 5]), st.sampled_from(POOLS))


def assert_same(actual: Outcome, expected: Outcome, rel: float = 1e-8, value_rel: float = 1e-10) -> None:
    """Equal values, and equal gradients in each leaf.

    The gradients in the three kinds of parts are measured on the scale of all three: where they cancel to zero in one
    of them, no digits are left there.
    """
    assert actual[0].item() == pytest.approx(expected[0].item(), rel=value_rel, abs=1e-13)
    of_parts = float(torch.cat([expected[1][name].flatten() for name in LEAVES[:3]]).norm())
    for name in LEAVES:
        scale = (of_parts if name != "Sigma_plus" else float(expected[1][name].norm())) or 1.0
        difference = float((actual[1][name] - expected[1][name]).norm())
        assert difference <= rel * scale, f"{name}: {difference / scale:.1e}"


@settings(max_examples=60)
@given(cases, st.booleans(), st.booleans(), st.booleans())
def test_value_and_gradient_are_the_loops(case: Case, use_semi_hard: bool, keeps: bool, loop_keeps: bool) -> None:
    expected = case.run(PaCLoss(ALPHA, use_semi_hard, cache_covariance_inverse=loop_keeps))
    assert_same(case.run(FusedPaCLoss(ALPHA, use_semi_hard, cache_covariance_inverse=keeps)), expected)


@settings(max_examples=80)
@given(lattices, st.booleans(), st.booleans())
def test_ties_between_different_rows_are_the_loops(case: Case, use_semi_hard: bool, keeps: bool) -> None:
    expected = case.run(PaCLoss(ALPHA, use_semi_hard, cache_covariance_inverse=True))
    assert_same(case.run(FusedPaCLoss(ALPHA, use_semi_hard, cache_covariance_inverse=keeps)), expected)


@settings(max_examples=30)
@given(cases, st.booleans())
def test_value_is_the_oracles(case: Case, use_semi_hard: bool) -> None:
    expected = oracle.pac(*case.arrays(), ALPHA, use_semi_hard)
    value = case.run(FusedPaCLoss(ALPHA, use_semi_hard))[0].item()
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_the_positive_in_the_pool_is_never_its_own_negative(seed: int) -> None:
    """It stands there at exactly d_pos in the loop: at no scale or offset does rounding make it greater."""
    case = make_case(seed, 2, 4, 5, 1e-2)
    scaled = {name: getattr(case, name) * 10.0 ** (seed % 5 - 2) + seed % 3 for name in LEAVES[:3]}
    plus = joint_covariance(*(part_covariance(scaled[name], 1e-2) for name in LEAVES[:2]), 1e-2)
    case = replace(case, **scaled, Sigma_plus=plus)
    expected = oracle.pac(*case.arrays(), ALPHA, True)
    assert case.run(FusedPaCLoss(ALPHA))[0].item() == pytest.approx(expected, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("use_semi_hard", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_the_oracles(seed: int, use_semi_hard: bool) -> None:
    """Parts, pool and a root of the metric apart from each other, by finite differences of a loss without a rest."""
    rng = np.random.default_rng(seed)
    matching = np.stack([rng.permutation(2) for _ in range(2)])
    arrays = [rng.normal(size=shape) for shape in ((2, 2, 3), (2, 2, 3), (6, 3), (2, 3, 3))]

    def function(*args: oracle.Array) -> float:
        plus = args[3] @ args[3].transpose(0, 2, 1) + 0.1 * np.eye(3)
        return oracle.pac(args[0], args[1], matching, args[2], plus, 9.0, use_semi_hard)

    leaves = [torch.from_numpy(array).requires_grad_() for array in arrays]
    plus = leaves[3] @ leaves[3].mT + 0.1 * torch.eye(3, dtype=torch.float64)
    loss = FusedPaCLoss(9.0, use_semi_hard)(leaves[0], leaves[1], torch.from_numpy(matching), leaves[2], plus)
    assert loss.item() == pytest.approx(function(*arrays), rel=1e-11)
    for i, gradient in enumerate(torch.autograd.grad(loss, leaves)):
        expected = oracle.gradient(lambda x, i=i: function(*arrays[:i], x, *arrays[i + 1 :]), arrays[i])
        assert expected.any()
        assert oracle.relative_error(gradient, expected) < 1e-6


@settings(max_examples=20)
@given(cases, st.booleans())
def test_the_metrics_gradient_is_symmetric(case: Case, use_semi_hard: bool) -> None:
    gradient = case.run(FusedPaCLoss(ALPHA, use_semi_hard))[1]["Sigma_plus"]
    torch.testing.assert_close(gradient, gradient.mT, rtol=1e-7, atol=1e-9 * float(gradient.abs().max()))


@settings(max_examples=30)
@given(cases | lattices, st.booleans(), st.booleans(), st.sampled_from([None, 3]), st.booleans(), seeds)
def test_images_may_be_whitened_in_chunks(
    case: Case, use_semi_hard: bool, keeps: bool, limit: int | None, hardest: bool, seed: int
) -> None:
    """One image at a time, and as many as fit into the space of two: all give what one chunk gives, to each image the
    negatives that are its own.
    """
    loss = FusedPaCLoss(ALPHA, use_semi_hard, limit, hardest, keeps)
    if seed % 2:
        case = owned(case, seed)
    torch.manual_seed(seed)
    expected = case.run(loss)
    columns = 2 * case.Z1t.shape[1] + len(case.negatives_pool)
    for num_bytes in (1, 2 * columns * case.Z1t.shape[2] * 8):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(contrast, "CHUNK_BYTES", num_bytes)
            torch.manual_seed(seed)
            assert_same(case.run(loss), expected, rel=1e-9)


def test_a_chunk_is_as_small_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three images in chunks of one are factorised one by one, in either pass where nothing is kept."""
    seen: list[int] = []
    factorise = contrast.cholesky_factor

    def counted(Sigma: Tensor) -> Tensor:
        seen.append(len(Sigma))
        return factorise(Sigma)

    monkeypatch.setattr(contrast, "cholesky_factor", counted)
    case = make_case(0, 3, 2, 5, 1e-2)
    for num_bytes, keeps, expected in ((2**20, True, [3]), (1, True, [1] * 3), (1, False, [1] * 6)):
        seen.clear()
        monkeypatch.setattr(contrast, "CHUNK_BYTES", num_bytes)
        case.run(FusedPaCLoss(ALPHA, True, cache_covariance_inverse=keeps))
        assert seen == expected


@pytest.mark.parametrize("max_negatives", [None, 3])
@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("broken", ["NaN", "negative"])
def test_a_broken_metric_is_a_loss_that_is_nan(broken: str, keeps: bool, max_negatives: int | None) -> None:
    """Covariances that are NaN, or not positive definite, end no run, in neither pass."""
    case = make_case(0, 3, 2, 5, 1e-2)
    plus = case.Sigma_plus.clone()
    plus[1] = torch.nan if broken == "NaN" else -plus[1]
    loss = FusedPaCLoss(ALPHA, True, max_negatives, True, keeps)
    value, gradients = replace(case, Sigma_plus=plus).run(loss)
    assert value.isnan()
    assert gradients["Z1t"][1].isnan().any()


def test_an_empty_pool_is_no_loss() -> None:
    """B = 1: zero, for all settings, and nothing to differentiate."""
    case = make_case(0, 1, 3, 5, 1e-2)
    assert len(case.negatives_pool) == 0
    for use_semi_hard, limit in itertools.product((True, False), (None, 4)):
        assert FusedPaCLoss(ALPHA, use_semi_hard, limit)(case.Z1t, case.Z2t, case.matching, *pool_and_metric(case)) == 0


def pool_and_metric(case: Case) -> tuple[Tensor, Tensor]:
    """The last two of a contrast's positional arguments."""
    return case.negatives_pool, case.Sigma_plus


# Precision


def unit_parts(seed: int) -> Tensor:
    """Parts of both views of eight images, (2, 8, 4, 64), of unit scale, a positive near its anchor; float32."""
    generator = torch.Generator().manual_seed(seed)
    Z1, noise = torch.randn(2, 8, 4, 64, generator=generator)
    return torch.stack([Z1, Z1 + 0.3 * noise])


def gradient_in_parts(loss: torch.nn.Module, parts: Tensor, parts_dtype: torch.dtype) -> Tensor:
    """The gradient in the parts as they came, through covariances and pool, of which all is held in `parts_dtype`."""
    leaf = parts.clone().requires_grad_()
    Z1, Z2 = leaf.to(parts_dtype)
    plus = joint_covariance(part_covariance(Z1, 1e-5), part_covariance(Z2, 1e-5), 1e-5)
    value = loss(Z1, Z2, torch.arange(4).expand(8, 4), folded_pool(Z1, Z2), plus)
    (gradient,) = torch.autograd.grad(value, leaf)
    assert gradient.dtype == parts.dtype
    return gradient.double()


@pytest.mark.parametrize("seed", range(2))
def test_float32_parts_at_the_defaults(seed: int) -> None:
    """At epsilon = tau = 1e-5 the fused gradient is right to rounding if parts are widened before the covariance, and
    to 2 % if the covariance comes in float32; the float32 loop's is wrong by hundreds of times its norm.
    """
    parts = unit_parts(seed)
    expected = gradient_in_parts(PaCLoss(cache_covariance_inverse=True), parts.double(), torch.float64)
    errors = [
        oracle.relative_error(gradient_in_parts(loss, parts, dtype), expected)
        for loss, dtype in (
            (FusedPaCLoss(), torch.float64),
            (FusedPaCLoss(), torch.float32),
            (PaCLoss(), torch.float32),
        )
    ]
    assert errors[0] < 1e-5
    assert 1e-4 < errors[1] < 2e-2
    assert errors[2] > 10


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("autocast", [True, False])
def test_narrow_inputs_are_computed_in_float64(dtype: torch.dtype, autocast: bool) -> None:
    """The value is that of the same inputs in float64, under autocast too; the gradient is that one, rounded once."""
    case = make_case(3, 3, 4, 5, 1e-2).rounded(dtype)
    expected, expected_gradients = case.run(FusedPaCLoss(ALPHA))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        value, gradients = case.run(FusedPaCLoss(ALPHA), dtype)
    assert value.dtype == torch.float64
    assert value.item() == expected.item()
    for name in LEAVES:
        assert gradients[name].dtype == dtype
        if name == "negatives_pool":  # copies of a row share its gradient after it was rounded
            error = oracle.relative_error(gradients[name].double(), expected_gradients[name])
            assert error < 2 * torch.finfo(dtype).eps
        else:
            assert torch.equal(gradients[name], expected_gradients[name].to(dtype))


# Limited negatives


@settings(max_examples=60)
@given(cases | lattices, st.booleans(), st.booleans(), st.integers(0, 2))
def test_a_limit_that_leaves_nothing_out_is_exact(case: Case, use_semi_hard: bool, hardest: bool, above: int) -> None:
    # An empty pool has no row to limit, and a limit is at least one.
    loss = FusedPaCLoss(ALPHA, use_semi_hard, max(1, case.num_distinct()) + above, hardest)
    assert_same(case.run(loss), case.run(FusedPaCLoss(ALPHA, use_semi_hard)), rel=1e-9)


@settings(max_examples=20)
@given(cases, st.booleans(), st.booleans())
def test_a_limit_that_leaves_nothing_out_is_exact_in_the_loop(case: Case, use_semi_hard: bool, hardest: bool) -> None:
    exact = PaCLoss(ALPHA, use_semi_hard, cache_covariance_inverse=True)
    limited = PaCLoss(ALPHA, use_semi_hard, case.num_distinct() + 1, hardest, cache_covariance_inverse=True)
    assert_same(case.run(limited), case.run(exact))


@pytest.mark.parametrize(
    ("far_rows", "expected"), [(0, [-1 / 8, 1 / 8, -1 / 8, -1 / 8]), (1, [-1 / 12, 1 / 4, *[-1 / 12] * 2, 0])]
)
@pytest.mark.parametrize("form", [PaCLoss, FusedPaCLoss])
def test_how_copies_count_in_a_tie_under_a_limit(form: type[Any], far_rows: int, expected: list[float]) -> None:
    """Two rows tie, one of which stands in the pool thrice. Where a limit of two different rows leaves none out three
    quarters of the gradient go to that one, as without a limit; where it leaves a third row out each is seen once.
    """
    anchors = torch.zeros(1, 1, 1, dtype=torch.float64)
    pool = torch.tensor([[2.0], [-2.0], [2.0], [2.0]] + [[50.0]] * far_rows, dtype=torch.float64)
    plus = torch.full((1, 1, 1), 4.0, dtype=torch.float64)
    case = Case(anchors, anchors + 4, torch.zeros(1, 1, dtype=torch.long), pool, plus)
    assert case.run(PaCLoss(5.0, False))[1]["negatives_pool"][:2].flatten().tolist() == [-1 / 8, 1 / 8]
    limited = case.run(form(5.0, False, 2, True))[1]["negatives_pool"]
    torch.testing.assert_close(limited.flatten(), torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("form", [PaCLoss, FusedPaCLoss])
def test_a_limit_counts_different_rows_in_a_short_pool_too(form: type[Any]) -> None:
    """Four rows, two of them different, for a batch of four parts: with a limit of two both different ones are seen."""
    parts = torch.tensor([[[0.0], [1.0]]], dtype=torch.float64)
    pool = torch.tensor([[1.5], [1.5], [1.5], [9.0]], dtype=torch.float64)
    plus = torch.full((1, 1, 1), 4.0, dtype=torch.float64)
    case = Case(parts, parts + 2, torch.tensor([[0, 1]]), pool, plus)
    assert case.num_distinct() == 2
    assert_same(case.run(form(5.0, True, 2, True)), case.run(PaCLoss(5.0)))


@settings(max_examples=30)
@given(
    st.builds(make_case, seeds, st.integers(2, 4), sizes, dims, epsilons, st.just("normal"), st.sampled_from(POOLS[:5]))
)
def test_the_hardest_are_exact_where_they_reach_beyond_the_positive(case: Case) -> None:
    """One row more than lie within d_pos of any anchor: the nearest that is farther is among them."""
    d_pos, d_neg = replace(case, negatives_pool=fold_rows(case.negatives_pool).rows).distances()
    num_within = int((d_neg <= d_pos[..., None] * (1 + 1e-9)).sum(dim=2).max())
    loss = FusedPaCLoss(ALPHA, True, num_within + 1, True)
    assert_same(case.run(loss), case.run(FusedPaCLoss(ALPHA)), rel=1e-9)


def test_fewer_of_the_hardest_are_an_approximation() -> None:
    """The one nearest row is the anchor itself: d_neg is 0, and the loss mean d_pos + alpha."""
    case = make_case(0, 3, 4, 5, 1e-2)
    d_pos = case.distances()[0]
    for loss in (FusedPaCLoss(ALPHA, True, 1, True), PaCLoss(ALPHA, True, 1, True)):
        value = case.run(loss)[0].item()
        assert value == pytest.approx(float(d_pos.mean()) + ALPHA, rel=1e-9)
        assert value > case.run(FusedPaCLoss(ALPHA))[0].item() + 0.1


@settings(max_examples=40)
@given(cases, st.integers(1, 9), st.booleans(), st.booleans(), seeds)
def test_loop_and_fused_choose_the_same_negatives(
    case: Case, limit: int, use_semi_hard: bool, hardest: bool, seed: int
) -> None:
    """The hardest ones; and random ones, from one state of torch's generator."""
    torch.manual_seed(seed)
    expected = case.run(PaCLoss(ALPHA, use_semi_hard, limit, hardest, cache_covariance_inverse=True))
    torch.manual_seed(seed)
    assert_same(case.run(FusedPaCLoss(ALPHA, use_semi_hard, limit, hardest)), expected)


def test_random_negatives_follow_torchs_generator() -> None:
    case = make_case(0, 4, 4, 5, 1e-2)
    loss = FusedPaCLoss(ALPHA, True, 3, use_hard_negative_mining=False)
    values = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        values.append(case.run(loss)[0].item())
    assert values[0] == values[1] != values[2]


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("is_owned", [True, False])
def test_select_negatives_takes_the_nearest(limit: int, is_owned: bool) -> None:
    """As many rows as the limit says, none nearer left out, none of the anchor's own image among them."""
    case = make_case(5, 3, 4, 5, 1e-2, pool="folded")
    owner = image_of_row(case.negatives_pool, 3) if is_owned else None
    chosen = select_negatives(*(case.Z1t, *pool_and_metric(case)), limit, True, owner)
    assert chosen is not None
    distances = case.distances()[1]
    for image, part in itertools.product(range(3), range(4)):
        others = torch.arange(24) if owner is None else (owner != image).nonzero()[:, 0]
        nearest = others[distances[image, part, others].argsort()[:limit]]
        assert chosen[image, part].nonzero()[:, 0].tolist() == sorted(nearest.tolist())


@pytest.mark.parametrize("is_owned", [True, False])
def test_select_negatives_takes_random_ones(is_owned: bool) -> None:
    """As many as the limit says, over many draws each of them, and never the anchor's own image."""
    case = make_case(6, 3, 2, 5, 1e-2, pool="folded")
    owner = image_of_row(case.negatives_pool, 3)
    ever = torch.zeros(3, 2, 12, dtype=torch.bool)
    torch.manual_seed(0)
    for _ in range(60):
        chosen = select_negatives(*(case.Z1t, *pool_and_metric(case)), 3, False, owner if is_owned else None)
        assert chosen is not None
        assert (chosen.sum(dim=2) == 3).all()
        ever |= chosen
    allowed = (owner != torch.arange(3)[:, None])[:, None] if is_owned else torch.ones(1, 1, 12, dtype=torch.bool)
    assert torch.equal(ever, allowed.expand(3, 2, 12))


def test_select_negatives_says_none_for_all() -> None:
    case = make_case(5, 3, 4, 5, 1e-2, pool="folded")
    for limit in (None, 24, 25):
        assert select_negatives(*(case.Z1t, *pool_and_metric(case)), limit, True) is None


# The parts of other images only


def loop_over_filtered_pools(case: Case, use_semi_hard: bool) -> Outcome:
    """Image by image, against a pool from which its own rows were taken out."""
    assert case.negatives_image is not None
    leaves = {name: getattr(case, name).clone().requires_grad_() for name in LEAVES}
    losses = [
        PaCLoss(ALPHA, use_semi_hard, cache_covariance_inverse=True)(
            leaves["Z1t"][image][None],
            leaves["Z2t"][image][None],
            case.matching[image][None],
            leaves["negatives_pool"][case.negatives_image != image],
            leaves["Sigma_plus"][image][None],
        )
        for image in range(len(case.Z1t))
    ]
    value = torch.stack(losses).mean()
    return value, dict(zip(LEAVES, torch.autograd.grad(value, list(leaves.values())), strict=True))


@settings(max_examples=40)
@given(
    st.builds(make_case, seeds, st.integers(2, 4), sizes, dims, epsilons, st.sampled_from(KINDS), st.just("folded"))
    | st.builds(make_lattice, seeds, st.integers(2, 4), sizes, st.sampled_from([1, 2, 5]), st.just("folded")),
    st.booleans(),
    seeds,
)
def test_own_rows_are_left_out(case: Case, use_semi_hard: bool, seed: int) -> None:
    """Loop and fused give what a loop over pools without the image's own rows gives."""
    case = owned(case, seed)
    expected = loop_over_filtered_pools(case, use_semi_hard)
    for loss in (PaCLoss(ALPHA, use_semi_hard, cache_covariance_inverse=True), FusedPaCLoss(ALPHA, use_semi_hard)):
        assert_same(case.run(loss), expected)


@settings(max_examples=20)
@given(
    st.builds(make_case, seeds, st.integers(2, 4), sizes, dims, epsilons, st.just("normal"), st.just("folded")),
    st.integers(1, 6),
    st.booleans(),
    seeds,
)
def test_a_limit_counts_the_rows_of_other_images(case: Case, limit: int, hardest: bool, seed: int) -> None:
    """With owners and a limit the two forms agree; a limit that no image reaches is none."""
    case = owned(case, seed)
    torch.manual_seed(seed)
    expected = case.run(PaCLoss(ALPHA, True, limit, hardest, cache_covariance_inverse=True))
    torch.manual_seed(seed)
    assert_same(case.run(FusedPaCLoss(ALPHA, True, limit, hardest)), expected)
    assert case.negatives_image is not None
    num_others = len(case.negatives_pool) - int(case.negatives_image.bincount().min())
    for above in (0, 1):
        unlimited = case.run(FusedPaCLoss(ALPHA, True, num_others + above, hardest))
        assert_same(unlimited, loop_over_filtered_pools(case, True))


@pytest.mark.parametrize("use_semi_hard", [True, False])
@pytest.mark.parametrize("form", [PaCLoss, FusedPaCLoss])
def test_an_anchor_without_negatives_adds_nothing(form: type[Any], use_semi_hard: bool) -> None:
    """All rows are of image 0: its anchors have nothing to be contrasted with, as in an empty pool."""
    case = make_case(7, 2, 2, 3, 1e-2, pool="folded")
    rows = case.negatives_pool[:4]
    plain = Case(case.Z1t[1:], case.Z2t[1:], case.matching[1:], rows, case.Sigma_plus[1:])
    expected = PaCLoss(5.0, use_semi_hard)(*(getattr(plain, name) for name in ("Z1t", "Z2t", "matching", *LEAVES[2:])))
    assert expected > 0
    owner = torch.zeros(4, dtype=torch.long)
    value, gradients = replace(case, negatives_pool=rows, negatives_image=owner).run(form(5.0, use_semi_hard))
    assert value.item() == pytest.approx(expected.item() / 2, rel=1e-10)
    assert not gradients["Z1t"][0].any()


# Folding


@settings(max_examples=60)
@given(st.integers(1, 6), st.integers(1, 20), st.integers(1, 4), seeds, st.booleans())
def test_folding_counts_copies_and_shares_the_gradient(
    num_distinct: int, num_rows: int, dim: int, seed: int, collide: bool
) -> None:
    """Each row once, how often it stood there, and to each copy an equal part; whether or not all hashes collide."""
    rng = np.random.default_rng(seed)
    pool = torch.from_numpy(rng.integers(-1, 2, (num_distinct, dim))[rng.integers(0, num_distinct, num_rows)] + 0.5)
    leaf = pool.clone().requires_grad_()
    with pytest.MonkeyPatch.context() as patch:
        if collide:
            patch.setattr(negatives, "_row_hash", lambda bits: torch.zeros(len(bits), dtype=torch.int64))
        rows, counts = fold_rows(leaf)
    expected, inverse, expected_counts = np.unique(pool.numpy(), axis=0, return_inverse=True, return_counts=True)
    order = np.lexsort(rows.detach().numpy().T[::-1])
    np.testing.assert_array_equal(rows.detach().numpy()[order], expected)
    np.testing.assert_array_equal(counts.numpy()[order], expected_counts)
    weights = torch.from_numpy(rng.normal(size=(len(order), dim)))
    (rows * weights).sum().backward()
    shared = weights.numpy()[order] / expected_counts[:, None]
    assert leaf.grad is not None
    np.testing.assert_allclose(leaf.grad.numpy(), shared[inverse.reshape(-1)], rtol=1e-14)


def test_some_hashes_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups of hashes with different rows in each: the rows themselves decide."""
    monkeypatch.setattr(negatives, "_row_hash", lambda bits: bits[:, 0] & 1 << 62)
    pool = torch.tensor([[1.0, 2.0], [3.0, 2.0], [1.0, 2.0], [0.25, 0.0], [3.0, 1.0]], dtype=torch.float64)
    rows, counts = fold_rows(pool)
    counted = {tuple(row): count for row, count in zip(rows.tolist(), counts.tolist(), strict=True)}
    assert counted == {(1.0, 2.0): 2, (3.0, 2.0): 1, (0.25, 0.0): 1, (3.0, 1.0): 1}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("collide", [True, False])
def test_rows_with_nan_are_folded(dtype: torch.dtype, collide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are compared bit by bit, so that NaN equals itself; 0.0 and -0.0 may stay apart, and nothing is lost."""
    if collide:
        monkeypatch.setattr(negatives, "_row_hash", lambda bits: torch.zeros(len(bits), dtype=torch.int64))
    pool = torch.tensor([[torch.nan, 1.0], [0.0, 1.0], [torch.nan, 1.0], [-0.0, 1.0], [0.0, 1.0]], dtype=dtype)
    rows, counts = fold_rows(pool)
    assert rows.dtype == dtype
    assert int(counts.sum()) == 5
    is_nan = rows[:, 0].isnan()
    assert counts[is_nan].tolist() == [2]
    assert len(rows) in (2, 3)
    assert (rows[:, 1] == 1).all()


def test_a_pool_of_few_rows_need_not_be_folded() -> None:
    """Twelve rows are left as they are where so many are few, copies among them; more of them are folded."""
    pool = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).repeat(4, 1)
    rows, counts = distinct_rows(pool[:12], 12)
    assert counts is None
    assert torch.equal(rows, pool[:12])
    for given_pool, unless_at_most, expected in ((pool[:12], 0, [3, 3, 3, 3]), (pool[:13], 12, [3, 3, 3, 4])):
        rows, counts = distinct_rows(given_pool, unless_at_most)
        assert counts is not None
        assert sorted(counts.tolist()) == expected
        assert len(rows) == 4


@pytest.mark.parametrize(("limit", "num_rows", "is_folded"), [(None, 12, False), (None, 13, True), (3, 12, True)])
def test_a_pool_is_folded_where_it_has_more_rows_than_parts_or_a_limit(
    limit: int | None, num_rows: int, is_folded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two views of six anchors are twelve parts: a pool that was built without copies makes nobody wait."""
    folded: list[Tensor] = []
    hash_of = negatives._row_hash

    def recorded(bits: Tensor) -> Tensor:
        folded.append(bits)
        return hash_of(bits)

    monkeypatch.setattr(negatives, "_row_hash", recorded)
    case = make_case(0, 3, 2, 5, 1e-2, pool="copies")
    replace(case, negatives_pool=case.negatives_pool[:num_rows]).run(FusedPaCLoss(ALPHA, True, limit))
    assert len(folded) == is_folded


@pytest.mark.parametrize("form", [PaCLoss, FusedPaCLoss])
@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_leaves_nothing_is_refused(form: type[Any], limit: int) -> None:
    with pytest.raises(UsageError, match=f"max_negatives_per_sample={limit}"):
        form(max_negatives_per_sample=limit)
