"""Every toggle and preset that comes with the tool.

Claims are the words of the analysis that started the project; nobody had measured them. Errors are of
`paco-prof breakdown --variant exact+NAME` on two CPU cores (AMD EPYC), before the first step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from paco_prof.records import SpeedupClaim
from paco_prof.variants.variant import Variant, combined

__all__ = ["CATALOGUE", "DROP_IN", "DROP_INS", "OF_RANKS", "PHASES", "PHASE_CLAIMS", "PRESETS", "TOGGLES", "drop_in"]

_LOSS = SpeedupClaim("Optimize Loss Computation (Priority 1) - 50-70% Speedup", 1.5, 1.7)
_MIXED_PRECISION = SpeedupClaim("Mixed Precision Training (Priority 2) - 20-40% Speedup", 1.2, 1.4)
_SMALLER_MODEL = SpeedupClaim("Reduce Model Complexity (Priority 4) - 15-25% Speedup", 1.15, 1.25)

TOGGLES: tuple[Variant, ...] = (
    Variant(
        "fused-loss",
        "All distances of PaC at once: one factorisation an image, in float64, with a backward of its own.",
        "exact",
        {"contrast": "fused"},
        _LOSS,
    ),
    Variant(
        "cholesky-caching",
        "Factorise each image's metric once, and not once a distance.",
        "exact",
        {"cache_covariance_inverse": True},
        SpeedupClaim("Cache covariance inverse: Use Cholesky decomposition and caching"),
    ),
    Variant(
        "max-negatives-16",
        "Contrast each anchor with 16 random negatives instead of all.",
        "approximate",
        {"max_negatives": 16, "hard_negative_mining": False},
        SpeedupClaim("Reducing from all samples to top-16 gives massive speedup"),
        error="No bound; PaC 51 % low, the gradient off by 0.2 % on ResNet-50 at initialisation.",
    ),
    Variant(
        "hard-negative-mining",
        "Contrast each anchor with its 16 nearest negatives instead of all.",
        "approximate",
        {"max_negatives": 16, "hard_negative_mining": True},
        SpeedupClaim("Hard negative mining: Select most informative negatives"),
        error="None for anchors with fewer than 16 parts no farther than the positive.",
    ),
    Variant(
        "folded-pool",
        "Build the pool of negatives without the B-1 copies of each part.",
        "exact",
        {"pool": "folded"},
    ),
    Variant(
        "float64-parts",
        "Hold the reduced parts, and all that follows from them, in float64: float32 gradients of PaC are rounding.",
        "exact",
        {"parts_dtype": "float64"},
    ),
    Variant(
        "vectorized-sampling",
        "Search peaks in all images at once and average all windows in one product, without copies to the host.",
        "exact",
        {"sampling": "batched"},
        SpeedupClaim("Vectorized operations: Use einsum and batch processing"),
    ),
    Variant(
        "separable-sampling",
        "Average windows by two one-dimensional passes over the whole map; a clipped window is a rectangle, so only "
        "rounding differs.",
        "exact",
        {"sampling": "separable"},
        SpeedupClaim("Optimize part sampling with separable convolutions"),
    ),
    Variant(
        "stale-peaks",
        "Search for peaks every fourth step only, and sample the old places in between.",
        "approximate",
        {"peaks_every": 4},
        error="No bound; the gradient off by 1.2 times its norm on ResNet-50 at initialisation.",
    ),
    Variant(
        "batched-matching",
        "Try all permutations of a few parts at once, without a copy to the host; scipy above six parts.",
        "exact",
        {"matching": "batched"},
        SpeedupClaim("Optimize Hungarian matching for small K"),
    ),
    Variant(
        "approximate-matching",
        "Match greedily, the nearest pair first.",
        "approximate",
        {"matching": "greedy"},
        SpeedupClaim("Implement approximate Hungarian matching"),
        error="For distances the total cost is at most 3.5 times the optimum with K=4.",
    ),
    Variant(
        "batched-prototypes",
        "Update the prototypes of all classes in the batch at once.",
        "exact",
        {"prototypes": "batched"},
    ),
    Variant(
        "batched-weighting",
        "Read all windows of the weighted cross-entropy in one product.",
        "exact",
        {"weighting": "batched"},
    ),
    Variant(
        "bfloat16",
        "Backbone and classifier under bfloat16 autocast; no gradient scaler is needed.",
        "approximate",
        {"precision": "bfloat16"},
        _MIXED_PRECISION,
        error="The gradient off by 9 % on ResNet-50 at initialisation.",
    ),
    Variant(
        "float16",
        "Backbone and classifier under float16 autocast, with a gradient scaler, whose step waits for the device.",
        "approximate",
        {"precision": "float16"},
        _MIXED_PRECISION,
        error="The gradient off by 3 % on ResNet-50 at initialisation.",
    ),
    Variant(
        "channels-last",
        "Keep images and feature maps with the channels of a pixel side by side, as convolutions read them.",
        "exact",
        {"channels_last": True},
    ),
    Variant(
        "both-views",
        "Both views through the backbone in one batch; BatchNorm then sees both at once.",
        "different",
        {"views": "together"},
    ),
    Variant(
        "efficientnet-b0",
        "A smaller backbone.",
        "different",
        {"backbone": "efficientnet_b0"},
        SpeedupClaim("Efficient Backbone (Priority 3) - 30% Speedup", 1.3, 1.45, "backbone"),
    ),
    Variant("d32", "Reduce parts to 32 dimensions instead of 64.", "different", {"dim": 32}, _SMALLER_MODEL),
    Variant("r3", "Average parts over 3 x 3 pixels instead of 5 x 5.", "different", {"window": 3}, _SMALLER_MODEL),
    Variant(
        "gamma0",
        "Plain cross-entropy instead of the weighted one.",
        "different",
        {"gamma": 0.0},
        SpeedupClaim("Disable weighted CE for speed"),
    ),
    Variant(
        "192px",
        "Images of 192 pixels instead of 224.",
        "different",
        {"image_size": 192},
        SpeedupClaim("Experiment with smaller input resolution (192x192)"),
    ),
    Variant(
        "other-images-pool",
        "Negatives from other images only, each part once: the pool as the method intends it.",
        "different",
        {"pool": "other-images"},
    ),
    Variant(
        "compile", "The backbone through torch.compile, which compiles during warm-up.", "exact", {"compile": True}
    ),
    Variant("fused-optimizer", "AdamW in one kernel for all parameters.", "exact", {"fused_optimizer": True}),
    Variant(
        "tf32",
        "TensorFloat-32 for matrix products and convolutions.",
        "approximate",
        {"tf32": True},
        error="Products of 10-bit mantissas, a relative 1e-3 each; not measured, for want of a GPU.",
    ),
    Variant("cudnn-benchmark", "cuDNN tries its algorithms and keeps the fastest.", "exact", {"cudnn_benchmark": True}),
    Variant(
        "gradient-clipping",
        "Clip the gradient to norm 1; another update wherever it is longer.",
        "different",
        {"clip_norm": 1.0},
        SpeedupClaim("Add gradient clipping and learning rate scheduling"),
    ),
    Variant(
        "cosine-schedule",
        "Warm the learning rate up and let it fall along a cosine.",
        "different",
        {"schedule": "cosine"},
        SpeedupClaim("Add gradient clipping and learning rate scheduling"),
    ),
)

# Toggles that a process by itself cannot do, and no ablation switches on unasked.
OF_RANKS: tuple[Variant, ...] = (
    Variant(
        "gather-negatives",
        "Contrast each anchor with the parts of all ranks' images: PaC of the joint batch, and not of each rank's own.",
        "different",
        {"gather_negatives": True},
    ),
)

_BY_NAME = {toggle.name: toggle for toggle in TOGGLES}


def _preset(name: str, why: str, toggles: str, claim: SpeedupClaim | None = None) -> Variant:
    whole = combined(name, why, [_BY_NAME[toggle] for toggle in toggles.split()], claim)
    return replace(whole, optional=frozenset(whole.settings))


# cholesky-caching is part of the fused contrast, which keeps the factors for backward; separable-sampling would replace
# vectorized-sampling, which is faster; compile would replace the graph, and backward could not be divided by stage.
_EXACT = (
    "fused-loss cholesky-caching folded-pool float64-parts vectorized-sampling batched-matching batched-prototypes "
    "batched-weighting channels-last fused-optimizer cudnn-benchmark"
)
_PHASE1 = "bfloat16 efficientnet-b0 d32 max-negatives-16"
_PHASE2 = f"{_PHASE1} hard-negative-mining cholesky-caching batched-matching gradient-clipping cosine-schedule"
_PHASE3 = f"{_PHASE2} 192px approximate-matching separable-sampling"

PRESETS: tuple[Variant, ...] = (
    Variant("baseline", "The reference: PaCo-2 as its code bases have it.", "exact"),
    _preset(
        "exact",
        "Every exact toggle that leaves the stages visible: the same training, only faster.",
        _EXACT,
    ),
    _preset(
        "optimized",
        "The analysis's optimized configuration, with a loss that is fused; bfloat16 in the place of float16.",
        "bfloat16 efficientnet-b0 d32 r3 gamma0 fused-loss hard-negative-mining cholesky-caching",
        SpeedupClaim("Training time per batch: 6-7 seconds (1.9x speedup)", 1.9, 1.9),
    ),
    _preset(
        "phase1", "Phase 1 of the analysis's checklist.", _PHASE1, SpeedupClaim("Cumulative Speedup 1.4-1.6x", 1.4, 1.6)
    ),
    _preset("phase2", "Phases 1 and 2 of it.", _PHASE2, SpeedupClaim("Cumulative Speedup 1.7-2.2x", 1.7, 2.2)),
    _preset("phase3", "Phases 1 to 3 of it.", _PHASE3, SpeedupClaim("Cumulative Speedup 1.9-2.6x", 1.9, 2.6)),
    _preset(
        "fastest",
        "Everything here that makes a step shorter, whatever it changes.",
        f"{_EXACT} bfloat16 both-views efficientnet-b0 d32 r3 gamma0 192px compile tf32",
    ),
)

# For a model of the user's own; each claims to be exact, which every comparison checks.
DROP_INS: tuple[Variant, ...] = (
    Variant(
        "drop-in-criterion",
        "The exact, fused criterion in the place of your model's own.",
        "exact",
        {"replace": {"criterion": "paco_prof:OptimizedPaCoLoss"}},
        _LOSS,
    ),
    Variant(
        "drop-in-matcher",
        "Matching of all images at once in the place of your model's matcher.",
        "exact",
        {"replace": {"matcher": "paco_prof:BatchedMatcher"}},
        SpeedupClaim("Optimize Hungarian matching for small K"),
    ),
    Variant(
        "drop-in-sampler",
        "Part sampling of all images at once in the place of your model's sampler.",
        "exact",
        {"replace": {"sampler": "paco_prof:BatchedSampler"}},
        SpeedupClaim("Vectorized operations: Use einsum and batch processing"),
    ),
    Variant(
        "drop-in-pool",
        "The pool of negatives without its copies in the place of your model's.",
        "exact",
        {"replace": {"pool": "paco_prof:FoldedPool"}},
    ),
)


def drop_in(replacements: Mapping[str, str]) -> Variant:
    """The variant `drop-in`.

    Args:
        replacements: component -> `module:factory`, as `--replace` names them; none are the criterion alone, one line
            of a user's code.
    """
    first = DROP_INS[0]
    settings = {"replace": dict(replacements)} if replacements else first.settings
    why = "What --replace names; by default the criterion, one line of code."
    return Variant("drop-in", why, "exact", settings, None if replacements else first.claim)


DROP_IN = drop_in({})

CATALOGUE = (*PRESETS, *TOGGLES, *OF_RANKS, DROP_IN, *DROP_INS)

# The analysis's checklist, phase by phase; each holds those before it. A preset's claim is of all phases up to it,
# these are of each phase by itself.
PHASE_CLAIMS = {
    "phase1": SpeedupClaim("Phase 1: Expected Speedup 1.4-1.6x", 1.4, 1.6),
    "phase2": SpeedupClaim("Phase 2: Expected Speedup 1.2-1.4x", 1.2, 1.4),
    "phase3": SpeedupClaim("Phase 3: Expected Speedup 1.1-1.2x", 1.1, 1.2),
}
PHASES = tuple(PHASE_CLAIMS)
