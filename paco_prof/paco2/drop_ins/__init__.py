"""Drop-ins for a matcher, a part sampler and a negatives pool of somebody else's: fast, exact, and called as these are.

Only the mathematics of PaCo-2 is fixed; how a component is called and what it returns differs from code to code. So a
drop-in learns it from one call, which what it replaces answers too. There it is held to PaCo-2: values, whole numbers
exactly but for what rounding alone decides, and gradients. Every later answer has the same structure and types.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeVar

import torch
from torch import nn

from paco_prof.errors import UsageError
from paco_prof.paco2.drop_ins.fast_forms import FastForm
from paco_prof.paco2.drop_ins.learning import Learner
from paco_prof.paco2.drop_ins.matching import Pairing
from paco_prof.paco2.drop_ins.pooling import Folding
from paco_prof.paco2.drop_ins.sampling import Sampling

__all__ = ["BatchedMatcher", "BatchedSampler", "DropIn", "FoldedPool"]

Drop = TypeVar("Drop", bound="DropIn")


class DropIn:
    """What takes the place of a component, a method or a function, and is called as that is.

    In the place of an object it is one of a subclass of the object's class and shares all of the object's attributes:
    parameters, buffers, submodules and their names, hooks, the epoch that somebody sets. Whatever is set on either is
    set on both, and `state_dict`, optimizers and devices see no difference.

    The first call of each kind is answered by the original: of each shape, type and device of its tensors, of each
    plain argument (an epoch, a switch) and plain attribute, with and without gradients. So a warm-up that ends is
    noticed, however it is told of. Whole numbers that count steps are no such argument, unless a warm-up is counted in
    them. A call that is not recognised is answered by the original, always.

    Not for the inside of `torch.utils.checkpoint` with `use_reentrant=False`, which refuses that what it computes again
    in the backward pass is another computation than the first.

    Raises:
        UsageError: on the first call, where the answer of what is replaced is not PaCo-2's. Where that is found in a
            later call of another kind, a warning says so, and calls of that kind are answered by the original.
    """

    _drop_in_form: ClassVar[FastForm]
    _drop_in_learner: Learner

    @classmethod
    def in_place_of(cls, original: Any) -> Self:
        """The drop-in for a module or another object that is called, for a method, or for a function.

        Raises:
            UsageError: it cannot be called, or is of a class that keeps no attributes.
        """
        if isinstance(original, cls):
            return original
        if not callable(original):
            raise UsageError(f"{cls.__name__} takes the place of what is called: a {type(original).__name__} is not.")
        name = getattr(original, "__qualname__", type(original).__name__)
        if isinstance(original, _FUNCTIONS):
            original = _Function(original)
        # A module is called through its hooks, unless somebody has given this one a forward of its own.
        is_entered = isinstance(original, (nn.Module, _Function)) and "forward" not in vars(original)
        try:
            made = _blank(cls, type(original), "forward" if is_entered else "__call__")
            # One state for both: whatever is set on either is set on both.
            object.__setattr__(made, "__dict__", original.__dict__)
        except (AttributeError, TypeError) as error:
            raise UsageError(f"{cls.__name__} cannot take the place of {name}: {error}.") from error
        vars(made)["_drop_in_learner"] = Learner(cls._drop_in_form, cls.__name__, name)
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Answer a call, as the subclass for what is replaced does."""
        raise NotImplementedError


# What keeps no attributes that it reads, or keeps them in the object that it is a method of.
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial, type)


class _Function:
    """A function as an object that is entered as modules are, so that what times those can time it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)


def _blank(drop_in: type[Drop], base: type, entry: str) -> Drop:
    """A drop-in without attributes; copies and pickles begin with it."""
    made: Drop = object.__new__(_subclass(drop_in, base, entry))  # type: ignore[arg-type]
    return made


@functools.cache
def _subclass(drop_in: type, base: type, entry: str) -> type:
    """The class of the drop-ins for objects of a class, which answer where those are entered."""

    def answer(self: Any, *args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            # It decides by values, which a graph does not know.
            return torch.compiler.disable(answer)(self, *args, **kwargs)
        if isinstance(self, _Function):
            original, owner = self.function, getattr(self.function, "__self__", None)
        else:
            original, owner = types.MethodType(getattr(base, entry), self), self
        return self._drop_in_learner.answer(original, owner, args, kwargs)

    def reduce(self: Any, protocol: int) -> tuple[Any, ...]:
        return _blank, (drop_in, base, entry), dict(vars(self))

    body = {"__call__": base.__call__, entry: answer, "__reduce_ex__": reduce, "__module__": base.__module__}
    return types.new_class(drop_in.__name__, (drop_in, base), exec_body=lambda namespace: namespace.update(body))


class BatchedMatcher(DropIn):
    """A drop-in for the matcher: all permutations of all images at once, up to 6 parts, and scipy above.

        model.matcher = BatchedMatcher.in_place_of(model.matcher)

    It takes the parts (B, K, d) of two views, and `Sigma_plus` (B, d, d) once the warm-up is over; or one image's.
    Which cost it is under, cosine or Mahalanobis, the first call of each kind tells; as long as both explain all
    answers so far, the original decides where they differ. It computes in float64. A permutation that costs no more
    than the best one, but for the rounding of the original's arithmetic, counts as equal, and in float32 with
    `epsilon = tau = 1e-5` many do.
    """

    _drop_in_form = Pairing()


class BatchedSampler(DropIn):
    """A drop-in for the part sampler: peaks of all images at once, window means as one product.

        model.part_sampler = BatchedSampler.in_place_of(model.part_sampler)

    It takes a feature map (B, C, H, W), or several. K and r are found by trying, with what the original knows first;
    the weight of the spatial attention is the original's own parameter. Where values of the saliency are nearer to each
    other than rounding, it may take another of these peaks than the original.
    """

    _drop_in_form = Sampling()


class FoldedPool(DropIn):
    """A drop-in for the negatives pool: each part once, (2 B K, d), where users' code has B - 1 copies of each.

        model._create_negatives_pool = FoldedPool.in_place_of(model._create_negatives_pool)

    Exact for a criterion to which the pool is a set of rows, as PaC is: its value and gradient do not change. One that
    counts rows, draws some of them, or finds an image's rows by their place in the pool, sees another pool.
    """

    _drop_in_form = Folding()
