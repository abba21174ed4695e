"""Callables of every kind that announce a stage in the place of others, and what is left once they are taken back."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

from adopted import heard
from paco_prof.measure.user.wrapping import Slot, Wrapped, Wrapping


def double(x: Any) -> Any:
    """Twice as much."""
    return 2 * x


class Plain:
    """Methods of every kind, on an object of no special class."""

    held: Callable[[Any], Any]

    def __init__(self) -> None:
        self.held = double
        self.factor = 3

    def method(self, x: Any, /, *, plus: int = 0) -> Any:
        return self.factor * x + plus

    def __call__(self, x: Any) -> Any:
        return -self.factor * x

    @staticmethod
    def static(x: Any) -> Any:
        return x + 1

    @classmethod
    def of_class(cls, x: Any) -> Any:
        return cls.__name__, x

    @property
    def computed(self) -> Callable[[Any], Any]:
        return self.method

    @property
    def broken(self) -> Callable[[Any], Any]:
        raise RuntimeError("planted")


class Heir(Plain):
    """Inherits it all."""


class Slotted:
    """An object without a `__dict__`."""

    __slots__ = ("factor", "held")

    def __init__(self, factor: int) -> None:
        self.factor = factor
        self.held = double

    def solve(self, x: Any) -> Any:
        return self.factor * x


class Linear(nn.Linear):
    """Picklable, and with a method beside `forward`."""

    def other(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward(x) + 1


@pytest.fixture
def wrapping() -> Iterator[Wrapping]:
    made = Wrapping([sys.modules[__name__]])
    yield made
    made.undo()


def wrap(wrapping: Wrapping, owner: object, *names: str, stage: str = "s") -> Wrapped:
    wrapped = Wrapped("path", stage)
    for name in names:
        slot = Slot(owner, name)
        assert slot.is_replaceable()
        wrapping.wrap(slot, wrapped)
    return wrapped


@pytest.mark.parametrize("name", ["held", "method", "static", "of_class", "__call__"])
@pytest.mark.parametrize("cls", [Plain, Heir])
def test_every_callable_of_an_object_is_announced_and_put_back(wrapping: Wrapping, name: str, cls: type[Plain]) -> None:
    one, other = cls(), cls()
    before = [dict(vars(one)), dict(vars(cls)), dict(vars(Plain))]
    expected = getattr(other, name)(5)
    wrapped = wrap(wrapping, one, name)
    call = (lambda: one(5)) if name == "__call__" else (lambda: getattr(one, name)(5))
    assert call() == expected
    assert heard(call) == ["s"]
    assert wrapped.calls == 2
    # What belongs to the class is announced by whoever calls it, all else by this object alone.
    assert heard(lambda: other(5) if name == "__call__" else getattr(other, name)(5)) == (
        ["s"] if name in ("static", "of_class") else []
    )
    wrapping.undo()
    assert [dict(vars(one)), dict(vars(cls)), dict(vars(Plain))] == before
    assert list(vars(Plain)) == list(before[2])
    assert heard(call) == []


def test_two_objects_of_a_class_have_stages_of_their_own(wrapping: Wrapping) -> None:
    first, second, third = Plain(), Plain(), Plain()
    wrap(wrapping, first, "__call__", stage="first")
    wrap(wrapping, second, "__call__", stage="second")
    assert heard(lambda: (first(1), second(1), third(1))) == ["first", "second"]
    before = vars(Plain)["__call__"]
    wrapping.undo()
    assert vars(Plain)["__call__"] is not before
    assert first(1) == -3


@pytest.mark.parametrize("name", ["solve", "held"])
def test_an_object_with_slots_is_told_from_others_of_its_class(wrapping: Wrapping, name: str) -> None:
    one, other = Slotted(4), Slotted(4)
    before = dict(vars(Slotted))
    wrap(wrapping, one, name)
    assert heard(lambda: (getattr(one, name)(1), getattr(other, name)(1))) == ["s"]
    assert getattr(one, name)(1) == getattr(other, name)(1)
    wrapping.undo()
    assert dict(vars(Slotted)) == before
    assert one.held is double


@pytest.mark.parametrize("name", ["computed", "broken", "factor", "absent"])
def test_what_cannot_be_replaced_is_known(name: str) -> None:
    assert not Slot(Plain(), name).is_replaceable()


def test_a_module_without_a_forward_has_nothing_to_replace() -> None:
    assert not Slot(nn.ModuleList(), "forward").is_replaceable()
    assert Slot(nn.Linear(1, 1), "forward").is_replaceable()


def test_users_hooks_run_once_and_in_order(wrapping: Wrapping) -> None:
    layer, order = Linear(2, 2), []
    layer.register_forward_pre_hook(lambda module, args: order.append("before"))
    layer.register_forward_hook(lambda module, args, output: order.append("after"))
    wrap(wrapping, layer, "forward")
    layer.register_forward_hook(lambda module, args, output: order.append("later"))
    assert heard(lambda: layer(torch.ones(1, 2))) == ["s"]
    assert order == ["before", "after", "later"]


def test_what_stood_in_the_objects_place_before_comes_back(wrapping: Wrapping) -> None:
    layer = Linear(2, 2)
    own = types.MethodType(lambda self, x: x * self.in_features, layer)
    layer.forward = own
    wrap(wrapping, layer, "forward")
    assert layer(3) == 6
    wrapping.undo()
    assert vars(layer)["forward"] is own


def test_what_somebody_put_there_meanwhile_stays(wrapping: Wrapping) -> None:
    one = Plain()
    wrap(wrapping, one, "method", "held")
    one.held = abs
    wrapping.undo()
    assert one.held is abs
    assert "method" not in vars(one)


def test_a_function_is_replaced_wherever_modules_hold_it(wrapping: Wrapping) -> None:
    here, elsewhere = sys.modules[__name__], types.ModuleType("elsewhere")
    vars(elsewhere)["twofold"] = double
    wrapping = Wrapping([here, elsewhere])
    before, original = dict(vars(elsewhere)), double
    wrapped = wrap(wrapping, here, "double")
    holder = Plain()
    assert heard(lambda: (double(1), elsewhere.twofold(1), holder.held(1))) == ["s", "s", "s"]
    assert wrapped.calls == 3
    assert double is elsewhere.twofold
    wrapping.undo()
    assert vars(elsewhere) == before
    assert double is original


def test_a_function_in_two_places_gets_the_same_replacement(wrapping: Wrapping) -> None:
    one, other = Plain(), Plain()
    first, second = wrap(wrapping, one, "held", stage="first"), wrap(wrapping, other, "held", stage="second")
    assert one.held is other.held
    assert heard(lambda: other.held(1)) == ["first"]
    assert (first.is_used, second.is_used) == (True, False)


def test_a_replacement_looks_like_what_it_replaces(wrapping: Wrapping) -> None:
    one = Plain()
    before = inspect.signature(one.method)
    one.held = functools.partial(double, 2)
    wrap(wrapping, one, "method", "held", "static")
    assert inspect.signature(one.method) == before
    assert one.method.__qualname__ == "Plain.method"
    assert inspect.ismethod(one.method)
    assert one.held() == 4
    with pytest.raises(TypeError, match="unexpected keyword argument 'minus'"):
        one.method(1, minus=2)


def test_what_raises_is_handed_on_and_counted(wrapping: Wrapping) -> None:
    one = Plain()
    wrapped = wrap(wrapping, one, "method")
    with pytest.raises(TypeError):
        one.method()
    assert wrapped.calls == 1


def test_the_calls_of_a_component_are_those_of_its_busiest_method(wrapping: Wrapping) -> None:
    layer = Linear(2, 2)
    wrapped = wrap(wrapping, layer, "forward", "other")
    layer.other(torch.ones(1, 2))
    layer(torch.ones(1, 2))
    assert wrapped.calls == 2


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_computes_with_what_is_its_own(wrapping: Wrapping, duplicate: Callable[[Linear], Linear]) -> None:
    layer = Linear(2, 2)
    wrap(wrapping, layer, "forward", "other")
    double_of_it = duplicate(layer)
    with torch.no_grad():
        double_of_it.weight.zero_()
        double_of_it.bias.zero_()
    assert double_of_it(torch.ones(1, 2)).abs().sum() == 0
    assert double_of_it.other(torch.ones(1, 2)).sum() == 2
    assert layer(torch.ones(1, 2)).abs().sum() > 0


def test_a_replica_for_another_device_computes_with_what_is_its_own(wrapping: Wrapping) -> None:
    layer = Linear(2, 2)
    layer.extra = double
    before = dict(vars(layer))
    wrap(wrapping, layer, "forward", "other", "extra")
    replica = layer._replicate_for_data_parallel()
    assert replica.forward.__self__ is replica
    assert replica.extra is double
    assert set(vars(replica)) == {*before, "_is_replica"}
    wrapping.undo()
    assert vars(layer) == before


def test_what_torch_compile_traces_announces_nothing(wrapping: Wrapping) -> None:
    layer = Linear(2, 2)
    wrapped = wrap(wrapping, layer, "forward")
    compiled = torch.compile(lambda x: layer(x) * 2, backend="eager", fullgraph=True)
    x = torch.ones(1, 2)
    assert torch.equal(compiled(x), layer(x) * 2)
    assert wrapped.calls == 1
    assert heard(lambda: compiled(x)) == []


def test_a_scripted_function_is_one_function(wrapping: Wrapping) -> None:
    source = "def doubled(x):\n    return x * 2\n"
    one = Plain()
    one.held = torch.jit.CompilationUnit(source).doubled
    wrap(wrapping, one, "held")
    assert heard(lambda: one.held(torch.ones(1))) == ["s"]
