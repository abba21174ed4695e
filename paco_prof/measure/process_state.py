"""What measuring changes of the process that it runs in, put back for whoever goes on in it: a notebook, a script."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch

__all__ = ["as_it_was"]

Undo = Callable[[], object]
# How much of what it does the profiler's library prints; it looks when it is used first.
NOTES = "KINETO_LOG_LEVEL"


@contextmanager
def as_it_was(device: str) -> Iterator[None]:
    """Let the block change threads, precision, random numbers, the current device and where modules are looked for;
    after it they are as before, however it ends. Within it the profiler's library keeps its notes to itself.

    Args:
        device: that the block is going to use, as somebody asked for it; whatever else a machine has is not woken up.
    """
    undo = [*_of_python(), *_of_torch(), *_of_accelerators(device)]
    try:
        yield
    finally:
        for each in undo:
            each()


def _of_python() -> Iterator[Undo]:
    if NOTES not in os.environ:
        os.environ[NOTES] = "99"
        yield partial(os.environ.pop, NOTES, None)
    path = list(sys.path)
    yield lambda: sys.path.__setitem__(slice(None), path)
    yield partial(random.setstate, random.getstate())
    yield partial(np.random.set_state, np.random.get_state())


def _of_torch() -> Iterator[Undo]:
    yield partial(torch.set_num_threads, torch.get_num_threads())
    yield partial(torch.set_rng_state, torch.get_rng_state())
    yield _kept(torch.backends.cudnn, "benchmark")
    try:
        yield _kept(torch.backends.cuda.matmul, "allow_tf32")
        yield _kept(torch.backends.cudnn, "allow_tf32")
    except RuntimeError:
        # Who has set the newer switches of the two may not read the older ones, which stand for them.
        for backend in (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn):  # type: ignore[attr-defined]
            yield _kept(backend, "fp32_precision")


def _of_accelerators(device: str) -> Iterator[Undo]:
    """The current device, and the random numbers of all devices, of every kind that is in use or going to be."""
    kind = device.partition(":")[0]
    for name in ("cuda", "xpu"):
        backend = getattr(torch, name)
        if backend.is_available() and (backend.is_initialized() or kind in ("auto", name)):
            yield partial(backend.set_device, backend.current_device())
            yield partial(backend.set_rng_state_all, backend.get_rng_state_all())
    if kind in ("auto", "mps") and torch.backends.mps.is_available():
        yield partial(torch.mps.set_rng_state, torch.mps.get_rng_state())


def _kept(owner: Any, name: str) -> Undo:
    return partial(setattr, owner, name, getattr(owner, name))
