"""The exact loss: against the reference loop, against the operations it cannot do without, its growth, its memory."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from figures import Figure, median_figure
from torch import Tensor

from paco_prof.paco2 import OptimizedPaCoLoss, PaCoLoss
from paco_prof.paco2.contrast import FusedPaCLoss
from paco_prof.paco2.covariance import joint_covariance, part_covariance
from paco_prof.paco2.losses import PaCLoss
from paco_prof.paco2.negatives import folded_pool, shared_pool
from paco_prof.stats.summary import median_estimate

__all__ = ["contrast_figures"]

K, DIM, NUM_CLASSES, RIDGE = 4, 64, 200, 1e-5
GIB = 2**30


@dataclass(frozen=True)
class Inputs:
    """What a criterion is given for a batch: parts of unit scale, the second view near the first."""

    Z1: Tensor
    Z2: Tensor
    matching: Tensor
    Sigma1: Tensor
    Sigma2: Tensor
    Sigma_plus: Tensor
    logits: Tensor
    targets: Tensor

    @property
    def leaves(self) -> list[Tensor]:
        return [self.Z1, self.Z2, self.Sigma1, self.Sigma2, self.Sigma_plus, self.logits]


def inputs(batch_size: int, dtype: torch.dtype = torch.float64) -> Inputs:
    generator = torch.Generator().manual_seed(0)
    Z1 = torch.randn(batch_size, K, DIM, generator=generator, dtype=dtype)
    Z2 = Z1 + 0.3 * torch.randn(batch_size, K, DIM, generator=generator, dtype=dtype)
    Sigma1, Sigma2 = part_covariance(Z1, RIDGE), part_covariance(Z2, RIDGE)
    given = Inputs(
        Z1,
        Z2,
        torch.arange(K).repeat(batch_size, 1),
        Sigma1,
        Sigma2,
        joint_covariance(Sigma1, Sigma2, RIDGE),
        torch.randn(batch_size, NUM_CLASSES, generator=generator, dtype=dtype),
        torch.randint(0, NUM_CLASSES, (batch_size,), generator=generator),
    )
    for leaf in given.leaves:
        leaf.requires_grad_()
    return given


def criterion_pass(criterion: PaCoLoss, given: Inputs, pool: Tensor) -> Callable[[], None]:
    """The whole criterion, forward and backward."""

    def run() -> None:
        total = criterion(
            logits=given.logits,
            targets=given.targets,
            Z1t=given.Z1,
            Z2t=given.Z2,
            matching=given.matching,
            negatives_pool=pool,
            Sigma1=given.Sigma1,
            Sigma2=given.Sigma2,
            Sigma_plus=given.Sigma_plus,
        )["total"]
        torch.autograd.grad(total, [*given.leaves, pool])

    return run


def contrast_pass(given: Inputs) -> Callable[[], None]:
    """PaC alone with the pool that the model's exact path builds, forward and backward."""
    loss = FusedPaCLoss()

    def run() -> None:
        pool = folded_pool(given.Z1, given.Z2)
        value = loss(given.Z1, given.Z2, given.matching, pool, given.Sigma_plus)
        torch.autograd.grad(value, [given.Z1, given.Z2, given.Sigma_plus])

    return run


def bare_pass(given: Inputs) -> Callable[[], None]:
    """What no exact form can do without: one batched Cholesky, one triangular solve of all parts, one pairwise
    distance of the anchors to them, forward and backward, in the float64 that the gradient needs.
    """
    images = torch.arange(len(given.Z1))

    def run() -> None:
        parts = torch.cat([given.Z1, given.Z2], dim=1)
        factor = torch.linalg.cholesky(given.Sigma_plus)
        columns = parts.reshape(-1, DIM).mT.expand(len(images), -1, -1)
        whitened = torch.linalg.solve_triangular(factor, columns, upper=False).mT
        anchors = whitened.unflatten(1, (len(images), 2 * K))[images, images, :K]
        torch.autograd.grad(torch.cdist(anchors, whitened).sum(), [given.Z1, given.Z2, given.Sigma_plus])

    return run


def contrast_figures() -> list[Figure]:
    """All of it, in one run."""
    return [*_against_the_loop(), *_accuracy(), *_against_bare(8), *_against_bare(32), *_growth(), *_memory()]


def _seconds(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _alternately(runs: list[Callable[[], None]], repeats: int) -> list[list[float]]:
    """Seconds of each, in turns, after a warm-up."""
    for run in runs * 3:
        run()
    rounds = [[_seconds(run) for run in runs] for _ in range(repeats)]
    return [list(times) for times in zip(*rounds, strict=True)]


def _against_the_loop() -> list[Figure]:
    """float32, as a model has its parts; the loop with the shared pool."""
    given = inputs(8, torch.float32)
    shared = shared_pool(given.Z1, given.Z2).detach().requires_grad_()
    folded = folded_pool(given.Z1, given.Z2).detach().requires_grad_()
    loop = criterion_pass(PaCoLoss(), given, shared)
    exact = criterion_pass(OptimizedPaCoLoss(), given, folded)
    drop_in = criterion_pass(OptimizedPaCoLoss(), given, shared)
    loop()
    exact_times, drop_in_times, ratios, drop_in_ratios = [], [], [], []
    for _ in range(15):
        one = _seconds(loop)
        fast, dropped = (median_estimate(times).value for times in _alternately([exact, drop_in], 30))
        exact_times.append(1e3 * fast)
        drop_in_times.append(1e3 * dropped)
        ratios.append(one / fast)
        drop_in_ratios.append(one / dropped)
    name = "criterion, forward and backward, B=8, K=4, d=64"
    return [
        median_figure(f"{name}: exact", exact_times, "ms"),
        median_figure(f"{name}: exact, shared pool handed in", drop_in_times, "ms"),
        median_figure(f"{name}: reference loop over exact", ratios, "x", 1000, at_least=True),
        median_figure(f"{name}: reference loop over exact, shared pool handed in", drop_in_ratios, "x"),
    ]


def _accuracy() -> list[Figure]:
    """Errors against the float64 loop at epsilon = tau = 1e-5, parts of unit scale that float32 can hold."""
    given = inputs(8, torch.float32)
    expected, expected_gradient = _value_and_gradient(PaCLoss(), given, torch.float64, torch.float64)
    cases = {
        "exact, float64": (FusedPaCLoss(), torch.float64, torch.float64, 1e-10),
        "exact, float32 parts, covariances from float64 parts": (FusedPaCLoss(), torch.float64, torch.float64, 1e-5),
        "exact, float32 covariances handed in": (FusedPaCLoss(), torch.float32, torch.float32, 2e-2),
        "reference loop, float32": (PaCLoss(), torch.float32, torch.float32, None),
    }
    figures = []
    for name, (loss, parts, covariances, target) in cases.items():
        value, gradient = _value_and_gradient(loss, given, parts, covariances)
        if name == "exact, float64":
            figures.append(Figure(f"{name}: relative error of the value", abs(value / expected - 1), "", target=target))
            continue
        error = ((gradient - expected_gradient).norm() / expected_gradient.norm()).item()
        figures.append(Figure(f"{name}: relative error of the gradient", error, "", target=target))
    return figures


def _value_and_gradient(
    loss: torch.nn.Module, given: Inputs, parts: torch.dtype, covariances: torch.dtype
) -> tuple[float, Tensor]:
    """PaC and its gradient with respect to the float32 parts, which come back in float32."""
    leaves = [given.Z1.detach().clone().requires_grad_(), given.Z2.detach().clone().requires_grad_()]
    Z1, Z2 = (leaf.to(parts) for leaf in leaves)
    C1, C2 = (Z.to(covariances) for Z in (Z1, Z2))
    Sigma_plus = joint_covariance(part_covariance(C1, RIDGE), part_covariance(C2, RIDGE), RIDGE)
    value = loss(Z1, Z2, given.matching, shared_pool(Z1, Z2), Sigma_plus)
    return value.item(), torch.cat([g.double() for g in torch.autograd.grad(value, leaves)])


def _against_bare(batch_size: int) -> list[Figure]:
    given = inputs(batch_size)
    bare, exact = _alternately([bare_pass(given), contrast_pass(given)], 100)
    name = f"PaC, forward and backward, B={batch_size}"
    return [
        median_figure(f"{name}: bare operations", [1e3 * value for value in bare], "ms"),
        median_figure(f"{name}: exact over bare, pairs", [a / b for a, b in zip(exact, bare, strict=True)], "x", 1.5),
    ]


def _growth() -> list[Figure]:
    """The exponent of the batch size between B=8 and B=128."""
    sizes = (8, 128)
    folded = [contrast_pass(inputs(size)) for size in sizes]
    shared = []
    for size in sizes:
        given = inputs(size, torch.float32)
        pool = shared_pool(given.Z1, given.Z2).detach().requires_grad_()
        shared.append(criterion_pass(OptimizedPaCoLoss(), given, pool))
    figures = []
    for name, runs in (("folded pool", folded), ("shared pool handed in", shared)):
        small, large = _alternately(runs, 9)
        exponents = [math.log(b / a) / math.log(sizes[1] / sizes[0]) for a, b in zip(small, large, strict=True)]
        figures.append(median_figure(f"growth of exact from B=8 to B=128, {name}: exponent", exponents, "", 2.0))
    return figures


def _memory() -> list[Figure]:
    figures = []
    for pool in ("folded", "shared"):
        # A process of its own: the peak of this one has seen everything else.
        output = subprocess.run([sys.executable, __file__, pool], capture_output=True, text=True, check=True).stdout
        name = f"exact at B=256, {pool} pool: peak above its inputs"
        figures.append(Figure(name, int(output) / GIB, "GiB", target=1.0))
    return figures


def _peak_above_inputs(pool_name: str) -> int:
    """Bytes that one forward and backward pass at B=256 adds to this process's resident memory at its peak."""
    import resource

    import psutil

    # Threads, kernels and their buffers, which the first pass of all brings in, are not the loss's.
    small = inputs(8, torch.float32)
    criterion_pass(OptimizedPaCoLoss(), small, folded_pool(small.Z1, small.Z2).detach().requires_grad_())()
    given = inputs(256, torch.float32)
    build = folded_pool if pool_name == "folded" else shared_pool
    pool = build(given.Z1, given.Z2).detach().requires_grad_()
    run = criterion_pass(OptimizedPaCoLoss(), given, pool)
    before = psutil.Process().memory_info().rss
    run()
    return max(0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before)


if __name__ == "__main__":
    print(_peak_above_inputs(sys.argv[1]))
