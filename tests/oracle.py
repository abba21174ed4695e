"""The oracle is PaCo-2 written a second time, in float64 numpy with explicit loops and no torch.

It follows the stages of PACO2.md one by one and is written to be read, not to be fast: one image, one
part and one distance at a time. The package is held to its values, and to its gradients through finite
differences. The functions stand in the order of the stages (3 part sampling ... 11 total).
Shapes: B images, K parts, C channels, d reduced channels, N rows of the negatives pool.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

CE_WINDOW = 5  # the window of the weighted cross-entropy, whatever the parts' own window is


def softmax(values: Array) -> Array:
    """The softmax over all entries of an array of any shape."""
    exponentials = np.exp(values - values.max())
    return np.asarray(exponentials / exponentials.sum())


def saliency(feature_map: Array, weight: float) -> Array:
    """The saliency of each pixel: feature_map (B, C, H, W), weight of the 1-to-1 convolution -> (B, H, W)."""
    maps = []
    for image in feature_map:
        channel_attention = softmax(np.array([channel.mean() for channel in image]))
        spatial_attention = softmax(weight * image.mean(axis=0))
        weighted = np.zeros(image.shape[1:])
        for attention, channel in zip(channel_attention, image, strict=True):
            weighted += attention * channel
        maps.append(weighted * spatial_attention)
    return np.array(maps)


def peaks(saliency_map: Array, num_parts: int) -> Indices:
    """The (row, column) of num_parts peaks of each image, (B, K, 2); pixel (0, 0) once all is suppressed."""
    num_images, height, width = saliency_map.shape
    down, across = int(0.1 * height), int(0.1 * width)
    found = np.zeros((num_images, num_parts, 2), dtype=np.int64)
    for b in range(num_images):
        left = saliency_map[b].copy()
        for k in range(num_parts):
            row, column = divmod(int(np.argmax(left)), width)  # argmax returns the first of equals
            found[b, k] = row, column
            left[max(0, row - down) : row + down + 1, max(0, column - across) : column + across + 1] = -np.inf
    return found


def window_mean(plane: Array, peak: Indices, window: int) -> float:
    """The mean of one plane (H, W) over the window (odd) around a peak, clipped at the border."""
    rows = range(max(0, peak[0] - window // 2), min(plane.shape[0], peak[0] + window // 2 + 1))
    columns = range(max(0, peak[1] - window // 2), min(plane.shape[1], peak[1] + window // 2 + 1))
    inside = [plane[row, column] for row in rows for column in columns]
    return float(sum(inside) / len(inside))


def part_features(feature_map: Array, peak_positions: Indices, window: int) -> Array:
    """The parts of each image, (B, K, C): the mean of each channel over the window around each peak."""
    return np.array(
        [
            [[window_mean(channel, peak, window) for channel in image] for peak in image_peaks]
            for image, image_peaks in zip(feature_map, peak_positions, strict=True)
        ]
    )


def reduce_dimensions(parts: Array, matrix: Array) -> Array:
    """The reduced parts (B, K, d) of parts (B, K, C) under a matrix (d, C)."""
    return np.array([[matrix @ part for part in image] for image in parts])


def part_covariance(parts: Array, epsilon: float) -> Array:
    """The covariance of each image's parts, (B, d, d), plus epsilon I."""
    covariances = []
    for image in parts:
        mean = sum(image) / len(image)
        scatter = sum(np.outer(part - mean, part - mean) for part in image)
        covariances.append(scatter / max(1, len(image) - 1) + epsilon * np.eye(parts.shape[-1]))
    return np.array(covariances)


def sigma_plus(sigma1: Array, sigma2: Array, tau: float) -> Array:
    """The covariance that both views share, (B, d, d)."""
    return (sigma1 + sigma2) / 2 + tau * np.eye(sigma1.shape[-1])


def whitened_norm(factor: npt.NDArray[Any], difference: Array) -> float:
    """|| L^-1 x || by forward substitution: the same arguments give the same bits, so ties are exact."""
    rows, right = factor.tolist(), difference.tolist()
    solved: list[float] = []
    for i, row in enumerate(rows):
        remainder = right[i]
        for j in range(i):
            remainder -= row[j] * solved[j]
        solved.append(remainder / row[i])
    return math.sqrt(sum(value * value for value in solved))


def cosine_cost(parts1: Array, parts2: Array) -> Array:
    """1 - cos of each part of view 1 (rows) with each of view 2 (columns), (B, K, K); cos(0, x) = 0."""
    cost = np.ones((len(parts1), parts1.shape[1], parts2.shape[1]))
    for b, i, j in np.ndindex(*cost.shape):
        norms = np.linalg.norm(parts1[b, i]) * np.linalg.norm(parts2[b, j])
        if norms > 0:
            cost[b, i, j] = 1 - parts1[b, i] @ parts2[b, j] / norms
    return cost


def mahalanobis_cost(parts1: Array, parts2: Array, covariance: Array) -> Array:
    """The Mahalanobis distance of each part of view 1 (rows) to each of view 2 (columns), (B, K, K)."""
    cost = np.zeros((len(parts1), parts1.shape[1], parts2.shape[1]))
    for b, i, j in np.ndindex(*cost.shape):
        cost[b, i, j] = whitened_norm(np.linalg.cholesky(covariance[b]), parts1[b, i] - parts2[b, j])
    return cost


def assignment_cost(cost: Array, permutation: Sequence[int]) -> float:
    """What a permutation of the columns costs under one (K, K) cost matrix."""
    return float(sum(cost[row, column] for row, column in enumerate(permutation)))


def best_assignment(cost: Array) -> Indices:
    """The cheapest permutation of each (K, K) matrix, (B, K), by trying all of them."""
    chosen = []
    for one in cost:
        permutations = list(itertools.permutations(range(len(one))))
        chosen.append(permutations[int(np.argmin([assignment_cost(one, choice) for choice in permutations]))])
    return np.array(chosen, dtype=np.int64)


def shared_pool(parts1: Array, parts2: Array) -> Array:
    """The pool that every anchor uses, (B (B-1) 2K, d): per image, both views' parts of all the others."""
    rows = []
    for image in range(len(parts1)):
        for other in range(len(parts1)):
            if other != image:
                rows.extend(parts1[other])
                rows.extend(parts2[other])
    return np.array(rows).reshape(-1, parts1.shape[-1])


def pac(
    parts1: Array,
    parts2: Array,
    matching: Indices,
    pool: Array,
    covariance: Array,
    alpha: float,
    use_semi_hard: bool,
) -> float:
    """The part-aware contrast; zero for an empty pool."""
    if len(pool) == 0:
        return 0.0
    hinges = []
    for b in range(len(parts1)):
        factor = np.linalg.cholesky(covariance[b])
        for k in range(parts1.shape[1]):
            anchor, positive = parts1[b, k], parts2[b, matching[b, k]]
            d_pos = whitened_norm(factor, anchor - positive)
            candidates = [whitened_norm(factor, anchor - row) for row in pool]
            if use_semi_hard:
                candidates = [distance for distance in candidates if distance > d_pos] or candidates
            hinges.append(max(0.0, d_pos - min(candidates) + alpha))
    return sum(hinges) / len(hinges)


def matrix_logarithm(matrix: Array) -> Array:
    """The logarithm of a symmetric positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.log(values)) @ vectors.T)


def spd_squared_distance(a: Array, b: Array, metric: str) -> float:
    """The squared distance of two positive definite matrices (d, d) under one of the three metrics."""
    if metric == "fro":
        return float(((a - b) ** 2).sum())
    if metric == "log-euclidean":
        return float(((matrix_logarithm(a) - matrix_logarithm(b)) ** 2).sum())
    if metric == "stein":
        log_det = [np.linalg.slogdet(matrix)[1] for matrix in ((a + b) / 2, a, b)]
        return float(log_det[0] - (log_det[1] + log_det[2]) / 2)
    raise ValueError(metric)


def soc(sigma1: Array, sigma2: Array, sigma_class: Array | None, metric: str, beta: float) -> float:
    """The second-order consistency, with the prototype term where sigma_class (B, d, d) is given."""
    batch = range(len(sigma1))
    loss = sum(spd_squared_distance(sigma1[b], sigma2[b], metric) for b in batch) / len(sigma1)
    if sigma_class is not None:
        means = [(sigma1[b] + sigma2[b]) / 2 for b in batch]
        drift = sum(spd_squared_distance(means[b], sigma_class[b], metric) for b in batch) / len(sigma1)
        loss += beta * drift
    return loss


class Prototypes:
    """The exponential moving average of each class's mean covariance; the identity for a class not seen."""

    def __init__(self, dim: int, momentum: float) -> None:
        """Start with no class seen."""
        self.dim, self.momentum = dim, momentum
        self.seen: dict[int, Array] = {}

    def get(self, targets: Sequence[int]) -> Array:
        """The prototype of each target, (B, d, d)."""
        return np.array([self.seen.get(int(target), np.eye(self.dim)) for target in targets])

    def update(self, targets: Sequence[int], sigma1: Array, sigma2: Array) -> None:
        """Take in one batch: each class's mean over its images of (Sigma_1 + Sigma_2) / 2."""
        for label in {int(target) for target in targets}:
            members = [b for b, target in enumerate(targets) if int(target) == label]
            new = sum((sigma1[b] + sigma2[b]) / 2 for b in members) / len(members)
            old = self.seen.get(label)
            self.seen[label] = new if old is None else self.momentum * old + (1 - self.momentum) * new


def cross_entropy(logits: Array, targets: Sequence[int]) -> float:
    """The batch mean of -log softmax(logits)[target]."""
    losses = []
    for row, target in zip(logits, targets, strict=True):
        log_sum = row.max() + math.log(sum(math.exp(value - row.max()) for value in row))
        losses.append(log_sum - row[int(target)])
    return float(sum(losses) / len(losses))


def channel_norm(feature_map: Array) -> Array:
    """The channel L2 norm at each pixel, (B, H, W): the `saliency_map` that a criterion is given."""
    return np.asarray(np.sqrt((feature_map**2).sum(axis=1)))


def weighted_ce(logits: Array, targets: Sequence[int], norm_map: Array, peak_positions: Indices, gamma: float) -> float:
    """(1 - gamma) CE + gamma mean_b(w_b) CE, w_b from the 5 x 5 windows of the channel norm of view 1."""
    weights = []
    for plane, image_peaks in zip(norm_map, peak_positions, strict=True):
        weights.append(sum(window_mean(plane, peak, CE_WINDOW) for peak in image_peaks) / len(image_peaks))
    ce = cross_entropy(logits, targets)
    return (1 - gamma) * ce + gamma * sum(weights) / len(weights) * ce


def step(map1: Array, map2: Array, targets: Sequence[int], settings: dict[str, Any]) -> dict[str, Any]:
    """One whole training step from the two backbone maps; the settings are named as PaCoModel names them.

    Besides those: `conv` (weight of the spatial attention), `reduction` (d, C), `classifier` (weight, bias),
    `epoch` and `Sigma_proto` (None or (B, d, d)). Returns logits, losses, the two covariances, the matching.
    """
    weight, bias = settings["classifier"]
    pooled = (map1.mean(axis=(2, 3)) + map2.mean(axis=(2, 3))) / 2
    logits = np.array([weight @ row + bias for row in pooled])
    peaks1, peaks2 = (peaks(saliency(one, settings["conv"]), settings["K"]) for one in (map1, map2))
    z1 = reduce_dimensions(part_features(map1, peaks1, settings["r"]), settings["reduction"])
    z2 = reduce_dimensions(part_features(map2, peaks2, settings["r"]), settings["reduction"])
    sigma1, sigma2 = (part_covariance(z, settings["epsilon"]) for z in (z1, z2))
    plus = sigma_plus(sigma1, sigma2, settings["tau"])
    warm = settings["epoch"] < settings["warmup_epochs"]
    matching = best_assignment(cosine_cost(z1, z2) if warm else mahalanobis_cost(z1, z2, plus))
    gamma = settings["gamma"] if settings["use_weighted_ce"] else 0.0
    ce = weighted_ce(logits, targets, channel_norm(map1), peaks1, gamma)
    pac_loss = pac(z1, z2, matching, shared_pool(z1, z2), plus, settings["alpha"], settings["use_semi_hard"])
    soc_loss = soc(sigma1, sigma2, settings["Sigma_proto"], settings["metric"], settings["beta"])
    total = ce + settings["lambda_pac"] * pac_loss + settings["eta_soc"] * soc_loss
    losses = {"logits": logits, "ce": ce, "pac": pac_loss, "soc": soc_loss, "total": total}
    return losses | {"Sigma1": sigma1, "Sigma2": sigma2, "matching": matching}


def directional_derivative(function: Callable[[Array], float], at: Array, along: Array, h: float = 1e-5) -> float:
    """The derivative of a scalar function along a direction, by the fourth-order central difference."""
    near = function(at + h * along) - function(at - h * along)
    far = function(at + 2 * h * along) - function(at - 2 * h * along)
    return float((8 * near - far) / (12 * h))


def gradient(function: Callable[[Array], float], at: Array, h: float = 1e-5) -> Array:
    """The gradient of a scalar function with respect to every entry of an array, by central differences."""
    result = np.zeros_like(at)
    for position in np.ndindex(*at.shape):
        along = np.zeros_like(at)
        along[position] = 1.0
        result[position] = directional_derivative(function, at, along, h)
    return result


def relative_error(actual: npt.ArrayLike, expected: npt.ArrayLike) -> float:
    """|| actual - expected || / || expected ||, over all entries; the plain norm where all expected are 0."""
    scale = float(np.linalg.norm(np.asarray(expected))) or 1.0
    return float(np.linalg.norm(np.asarray(actual) - np.asarray(expected))) / scale
