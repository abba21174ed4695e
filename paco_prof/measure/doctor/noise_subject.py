"""A small training step that a worker takes for the noise floor: nothing of PaCo-2, ready in a moment."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paco_prof.measure.clock import clock_for
from paco_prof.measure.device import resolve_device
from paco_prof.measure.environment import describe_environment
from paco_prof.measure.memory_peak import process_peak_bytes
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.training import timed_step
from paco_prof.records import Contestant, Environment, Fidelity, Memory

__all__ = ["NoiseSubject", "build_noise_subject"]

WIDTH = 48


@dataclass(frozen=True)
class _Description:
    """See `paco_prof.measure.subject.Description`, whose module builds PaCo-2 and takes half a second to import."""

    contestant: Contestant
    environment: Environment
    accelerator_uuid: str | None


class NoiseSubject:
    """A convolutional net with batch normalisation, trained by SGD on one batch of random images.

    It computes much on little memory: a step whose tensors the system has to find pages for in every step is noisier,
    by what the allocator does and not by what the machine does. It announces no stages: what is wanted is the time of
    the whole step, and a record of many launches stays small.

    Args:
        contestant: whose workload says where, how large and with how many threads.
    """

    def __init__(self, contestant: Contestant) -> None:
        workload = contestant.workload
        self._contestant = contestant
        self._device = resolve_device(workload.device)
        if workload.threads is not None:
            torch.set_num_threads(workload.threads)
        if self._device.index is not None:
            torch.get_device_module(self._device).set_device(self._device)
        torch.manual_seed(workload.seed)
        size = workload.image_size or 1
        self._images = torch.randn(workload.batch_size, 3, size, size).to(self._device)
        self._targets = torch.randint(0, workload.num_classes, (workload.batch_size,)).to(self._device)
        self._model = _net(workload.num_classes).to(self._device)
        self._optimizer = torch.optim.SGD(self._model.parameters(), lr=workload.learning_rate)
        self._loss = nn.CrossEntropyLoss()
        self._clock = clock_for(self._device)

    def describe(self) -> _Description:
        """See `paco_prof.measure.subject.Subject`, as for all that follows."""
        is_cuda = self._device.type == "cuda"
        uuid = getattr(torch.cuda.get_device_properties(self._device), "uuid", None) if is_cuda else None
        return _Description(self._contestant, describe_environment(self._device), None if uuid is None else str(uuid))

    def step(self) -> TimedStep:
        """Take one step, timed as any other is."""
        return timed_step(self._run, self._clock)

    def memory(self) -> Memory:
        """Of the process."""
        return Memory(process_peak_bytes=process_peak_bytes())

    def fidelity(self) -> Fidelity:
        """Nobody asks for it."""
        raise NotImplementedError

    def _run(self) -> dict[str, Tensor]:
        self._optimizer.zero_grad(set_to_none=True)
        self._loss(self._model(self._images), self._targets).backward()
        self._optimizer.step()
        return {}


def build_noise_subject(contestant: Contestant, _keep_initial: bool) -> NoiseSubject:
    """What a worker of the noise floor is told to build."""
    return NoiseSubject(contestant)


def _net(num_classes: int) -> nn.Module:
    return nn.Sequential(
        *_layer(3, WIDTH, 1),
        *_layer(WIDTH, 2 * WIDTH, 2),
        *_layer(2 * WIDTH, 2 * WIDTH, 1),
        *_layer(2 * WIDTH, 2 * WIDTH, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * WIDTH, num_classes),
    )


def _layer(num_inputs: int, num_outputs: int, stride: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(num_inputs, num_outputs, 3, stride=stride, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(num_outputs), nn.ReLU()
