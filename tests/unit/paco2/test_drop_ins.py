"""Taking somebody's place: nothing of the model changes but the time that it takes."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import Tensor, nn

import foreign_components
import paco_prof
from foreign_components import Sampler, ToldMatcher, draw_maps, draw_parts, loop_pool
from paco_prof.errors import UsageError
from paco_prof.paco2 import BatchedMatcher, BatchedSampler, FoldedPool
from paco_prof.stages import Phase, listening, stage
from same_answers import assert_same_answers


def parts_of(found: foreign_components.Found) -> Tensor:
    return found.parts


def parts_and_saliency(found: foreign_components.Found) -> tuple[Tensor, Tensor]:
    return found.parts, found.saliency


class Model(nn.Module):
    """A model with a sampler, a matcher that is no module, and a method for the pool."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 6, 3)
        self.part_sampler = Sampler(parts_and_saliency)
        self.matcher = ToldMatcher()

    def _create_negatives_pool(self, Z1: Tensor, Z2: Tensor) -> Tensor:
        return loop_pool(Z1, Z2)

    def forward(self, x: Tensor) -> Tensor:
        parts, saliency = self.part_sampler(self.body(x))
        pool = self._create_negatives_pool(parts, parts + 1)
        return parts.square().sum() + saliency.square().sum() + pool.exp().amax(0).sum()


def replaced(model: Model) -> Model:
    """Each component in one line."""
    model.part_sampler = BatchedSampler.in_place_of(model.part_sampler)
    model.matcher = BatchedMatcher.in_place_of(model.matcher)
    model._create_negatives_pool = FoldedPool.in_place_of(model._create_negatives_pool)
    return model


def images(seed: int) -> Tensor:
    return torch.randn(3, 3, 9, 11, generator=torch.Generator().manual_seed(seed))


def test_public_names() -> None:
    for name, drop_in in (
        ("BatchedMatcher", BatchedMatcher),
        ("BatchedSampler", BatchedSampler),
        ("FoldedPool", FoldedPool),
    ):
        assert getattr(paco_prof, name) is drop_in


def test_parameters_and_their_names_are_those_of_before() -> None:
    model = Model()
    names, parameters = list(model.state_dict()), [id(parameter) for parameter in model.parameters()]
    modules = [name for name, _ in model.named_modules()]
    replaced(model)
    assert list(model.state_dict()) == names
    assert [id(parameter) for parameter in model.parameters()] == parameters
    assert [name for name, _ in model.named_modules()] == modules


def test_training_is_the_same() -> None:
    """An optimizer of before the replacement updates what the drop-ins use."""
    torch.manual_seed(0)
    model = Model().double()
    twin = copy.deepcopy(model)
    optimizers = [torch.optim.SGD(one.parameters(), lr=0.02) for one in (model, twin)]
    replaced(twin)
    before = model.part_sampler.spatial.weight.item()
    for seed in range(4):
        for one, optimizer in zip((model, twin), optimizers, strict=True):
            optimizer.zero_grad()
            one(images(seed).double()).backward()
            optimizer.step()
    assert model.part_sampler.spatial.weight.item() != before
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-10, atol=1e-12)


def test_it_is_of_the_originals_class_and_shares_its_attributes() -> None:
    original = Sampler(parts_of)
    drop_in = BatchedSampler.in_place_of(original)
    assert isinstance(drop_in, Sampler)
    assert isinstance(drop_in, BatchedSampler)
    assert drop_in is not original
    assert type(original) is Sampler
    drop_in.mark = 3
    original.eval()
    assert original.mark == 3
    assert not drop_in.training
    assert drop_in.K == 3
    assert BatchedSampler.in_place_of(drop_in) is drop_in


def test_hooks_on_a_module_go_on_being_called() -> None:
    original, heard = Sampler(parts_of), []
    original.register_forward_hook(lambda module, args, output: heard.append(output.shape))
    drop_in = BatchedSampler.in_place_of(original)
    for seed in range(3):
        drop_in(draw_maps(seed, dtype=torch.float32))
    assert heard == [(4, 3, 6)] * 3


def test_a_forward_that_somebody_put_on_the_instance_is_the_original() -> None:
    original, heard = Sampler(parts_of).double(), []
    forward = original.forward

    def told(features: Tensor) -> Tensor:
        heard.append(features.shape)
        return forward(features)

    original.forward = told
    drop_in = BatchedSampler.in_place_of(original)
    for seed in range(3):
        assert_same_answers(Sampler.forward(original, draw_maps(seed)), drop_in(draw_maps(seed)))
    assert len(heard) == 1


def test_the_model_moves_and_loads_as_before() -> None:
    """Another type is learned anew, another weight is used at once, assigned parameters too."""
    model = replaced(Model())
    model(images(0))
    model.double()
    assert model(images(1).double()).dtype == torch.float64
    state = {name: value * 1.5 for name, value in model.state_dict().items()}
    reference = Model().double()
    reference.load_state_dict(state)
    for assign in (False, True):
        model.load_state_dict(state, assign=assign)
        assert model(images(2).double()).item() == pytest.approx(reference(images(2).double()).item(), rel=1e-12)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), "torch"])
def test_copies_and_pickles_are_drop_ins_of_their_own(again: object) -> None:
    model = replaced(Model())
    expected = [model(images(seed)).item() for seed in range(2)]
    if callable(again):
        twin = again(model)
    else:
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        twin = torch.load(file, weights_only=False)
    assert isinstance(twin.part_sampler, BatchedSampler)
    assert twin.part_sampler.spatial.weight is not model.part_sampler.spatial.weight
    assert twin._create_negatives_pool is not model._create_negatives_pool
    assert [twin(images(seed)).item() for seed in range(2)] == pytest.approx(expected, rel=1e-6)
    twin.matcher.set_epoch(7)
    assert model.matcher.current_epoch == 0


class Heard:
    """A listener that writes down what begins inside of what, and what it is told of the ends."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.paths: list[str] = []
        self.outputs: list[object] = []

    def enter(self, name: str, inputs: object) -> None:
        self.open.append(name)
        self.paths.append("/".join(self.open))

    def exit(self, outputs: object) -> None:
        self.open.pop()
        self.outputs.append(outputs)

    def enter_phase(self, phase: Phase) -> None: ...

    def take_over(self, name: str) -> None: ...

    def exit_phase(self) -> None: ...


def test_each_announces_its_stage_once() -> None:
    """Whether it asks the original, which may announce stages itself, or not."""

    @stage("part_sampling")
    def sampler(F: Tensor) -> Tensor:
        with stage("windows"):
            return foreign_components.sample(F, 3, 3).parts

    @stage("negatives_pool")
    def pool(Z1: Tensor, Z2: Tensor) -> Tensor:
        return loop_pool(Z1, Z2)

    sample, fold = BatchedSampler.in_place_of(sampler), FoldedPool.in_place_of(pool)
    match = BatchedMatcher.in_place_of(ToldMatcher())
    heard = Heard()
    with listening(heard):
        for seed in range(2):
            parts = draw_parts(seed)
            answers = [sample(draw_maps(seed)), match(*parts), fold(*parts[:2])]
            assert all(one is other for one, other in zip(answers, heard.outputs[-3:], strict=True))
    assert heard.paths == ["part_sampling", "matching", "negatives_pool"] * 2
    assert heard.open == []


def test_an_original_that_raises_is_heard_and_asked_again() -> None:
    def sampler(F: Tensor) -> Tensor:
        if F.shape[0] == 2:
            raise ZeroDivisionError("two")
        return foreign_components.sample(F, 3, 3).parts

    drop_in, heard = BatchedSampler.in_place_of(sampler), Heard()
    with listening(heard):
        for _ in range(2):
            with pytest.raises(ZeroDivisionError, match="two"):
                drop_in(draw_maps(0, B=2))
    assert heard.open == []
    assert drop_in(draw_maps(0)).shape == (4, 3, 6)


def test_a_buffer_that_a_call_writes_to_is_refused() -> None:
    class Counting(Sampler):
        def __init__(self) -> None:
            super().__init__(parts_of)
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, features: Tensor) -> Tensor:
            self.seen += 1
            return super().forward(features)

    with pytest.raises(UsageError, match="cannot take the place of Counting: it writes to its buffer seen"):
        BatchedSampler.in_place_of(Counting())(draw_maps(0, dtype=torch.float32))


def test_a_compiler_leaves_it_alone() -> None:
    """What decides by values is no part of a graph, and answers all the same."""
    drop_in = BatchedSampler.in_place_of(Sampler(parts_of))
    compiled = torch.compile(lambda F: drop_in(2 * F) + 1, backend="eager")
    for seed in range(2):
        F = draw_maps(seed, dtype=torch.float32).detach()
        torch.testing.assert_close(compiled(F), drop_in(2 * F) + 1)


def test_what_is_not_called_has_no_drop_in() -> None:
    with pytest.raises(UsageError, match="BatchedMatcher takes the place of what is called: a int is not"):
        BatchedMatcher.in_place_of(3)

    class Slotted:
        __slots__ = ()

        def __call__(self) -> None: ...

    with pytest.raises(UsageError, match="BatchedMatcher cannot take the place of Slotted: "):
        BatchedMatcher.in_place_of(Slotted())
