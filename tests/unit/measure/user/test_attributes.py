"""What modules keep beside weights and buffers: put back as it was, and told where it has changed."""

from __future__ import annotations

import gc
import weakref
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import pytest
import torch
from torch import nn

from own_models import Tiny
from own_training import CHANGED, Remembering
from paco_prof.measure.user.attributes import PlainAttributes, TensorsBeside


class Holding(nn.Module):
    """Holds whatever it is given."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2)
        vars(self).update(attributes)


@pytest.mark.parametrize(
    ("held", "fill"),
    [
        ({"a": 1}, lambda held: held.update(a=2, b=3)),
        ([1], lambda held: held.append(2)),
        ({1}, lambda held: held.add(2)),
        (deque([1], maxlen=2), lambda held: held.extend((2, 3))),
        (defaultdict(list), lambda held: held["a"].append(1)),
        (Counter("ab"), lambda held: held.update("abc")),
        (OrderedDict(a=1, b=2), lambda held: held.move_to_end("a")),
        ({"deep": ([[]],)}, lambda held: held["deep"][0][0].append(1)),
        ([[], []], lambda held: held[1].append(1)),
    ],
)
def test_a_container_gets_back_what_was_in_it_and_stays_the_same(held: Any, fill: Any) -> None:
    """Two modules and somebody else may hold it."""
    model = nn.Sequential(Holding(held=held), Holding(held=held))
    before = repr(held)
    attributes = PlainAttributes(model)
    fill(held)
    assert repr(held) != before
    attributes.put_back()
    assert repr(held) == before
    assert model[0].held is model[1].held is held


def test_values_are_put_back_and_what_was_made_since_is_gone() -> None:
    model = Holding(number=1, nothing=None, tensor=torch.zeros(1), name="x")
    tensor = model.tensor
    attributes = PlainAttributes(model)
    model.number, model.nothing, model.tensor, model.name = 2, torch.ones(1), torch.ones(1), "y"
    model.made = torch.ones(1)
    del model.name
    model.later = nn.Linear(1, 1)
    model.register_buffer("buffer", torch.ones(1))
    model.eval()
    attributes.put_back()
    assert (model.number, model.nothing, model.name) == (1, None, "x")
    assert model.tensor is tensor
    assert not hasattr(model, "made")
    # Submodules, weights, buffers and modes are not its affair.
    assert isinstance(model.later, nn.Linear)
    assert not model.training
    assert set(model.state_dict()) == {"inner.weight", "inner.bias", "later.weight", "later.bias", "buffer"}


class Settings(dict[str, int]):
    """Cannot be copied, and cannot be written to."""

    def __copy__(self) -> Settings:
        raise TypeError("no copies")

    def clear(self) -> None:
        raise TypeError("read only")


def test_what_cannot_be_copied_is_let_alone() -> None:
    loop: list[Any] = []
    loop.append(loop)
    model = Holding(settings=Settings(a=1), loop=loop, other=[])
    attributes = PlainAttributes(model)
    model.settings["b"] = 2
    model.other.append(1)
    attributes.put_back()
    assert model.settings == {"a": 1, "b": 2}
    assert model.other == []
    assert model.loop == [loop]


def test_a_container_that_nobody_has_changed_is_not_written_to() -> None:
    class Once(dict[str, int]):
        def clear(self) -> None:
            raise AssertionError("there was nothing to put back")

    model = Holding(once=Once(a=1))
    PlainAttributes(model).put_back()
    assert model.once == {"a": 1}


def test_what_training_changes_is_named_and_nothing_else() -> None:
    model = nn.Sequential(Remembering())
    beside = TensorsBeside(model)
    assert beside.changed() == []
    views, targets = torch.rand(2, 2, 3, 16, 16), torch.tensor([1, 3])
    model[0](views[0], views[1], targets)["total"].backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert beside.changed() == [f"0.{name}" for name in CHANGED]


def test_a_tensor_that_was_written_to_has_changed() -> None:
    model = Holding(table=torch.zeros(2), constant=torch.zeros(2))
    beside = TensorsBeside(model)
    model.table[0] = 1
    assert beside.changed() == ["table"]


def test_inference_tensors_are_seen_too() -> None:
    with torch.inference_mode():
        model = Holding(logits=torch.zeros(2))
    beside = TensorsBeside(model)
    assert beside.changed() == []
    with torch.inference_mode():
        model.logits = torch.zeros(2)
    assert beside.changed() == ["logits"]


def test_what_a_model_lets_go_of_is_gone() -> None:
    model = Holding(queue=torch.zeros(2))
    beside, queue = TensorsBeside(model), weakref.ref(model.queue)
    model.queue = torch.zeros(2)
    gc.collect()
    assert queue() is None
    assert beside.changed() == ["queue"]


def test_layers_of_torch_are_no_ones_own() -> None:
    class Recurrent(Tiny):
        def __init__(self) -> None:
            super().__init__()
            self.recurrent = nn.LSTM(2, 2)

    beside = TensorsBeside(model := Recurrent())
    with torch.no_grad():
        model.recurrent.weight_ih_l0.zero_()
    assert beside.changed() == []
