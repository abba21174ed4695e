"""Things for a worker to measure that are made in a moment, and misbehave in every way there is. Free of torch."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paco_prof.errors import UsageError
from paco_prof.measure.memory_peak import process_peak_bytes
from paco_prof.measure.steps import TimedStep
from paco_prof.measure.timeline import Owner, Span
from paco_prof.records import Contestant, Environment, Fidelity, Memory

MEBIBYTE = 2**20
LONG = 1000.0
# Seconds that a busy machine might keep a process waiting.
NO_DELAY = 0.7
PRIVATE = "/home/somebody/secret/model.py"
HERE = Environment(system="Linux", processor="a core", cores=1, memory_bytes=2**30, threads=1)
FIDELITY = Fidelity(
    against="baseline",
    oracle="loop",
    losses={"total": 1.0},
    reference_losses={"total": 1.0},
    gradient_norm=1.0,
    gradient_error=0.0,
    gradient_cosine=1.0,
)


@dataclass(frozen=True)
class Description:
    """See `paco_prof.measure.subject.Description`, which needs torch."""

    contestant: Contestant
    environment: Environment = HERE
    accelerator_uuid: str | None = None


class Calm:
    """Takes a step of 10 ms, or so it says.

    Args:
        then: done in every step but the first.
    """

    def __init__(self, contestant: Contestant, then: Callable[[], Any] = lambda: None) -> None:
        self._contestant = contestant
        self._then = then
        self._steps = 0

    def describe(self) -> Description:
        return Description(self._contestant)

    def step(self) -> TimedStep:
        self._steps += 1
        if self._steps > 1:
            self._then()
        owner = Owner("backbone", "forward")
        return TimedStep(0.01, {owner: Span(0.01, None)}, {owner: 1}, {"total": float("nan")}, 0.0)

    def memory(self) -> Memory:
        return Memory(process_peak_bytes=process_peak_bytes())

    def fidelity(self) -> Fidelity:
        return FIDELITY


def calm(contestant: Contestant, keep_initial: bool) -> Calm:
    return Calm(contestant)


def sleeping(contestant: Contestant, keep_initial: bool) -> Calm:
    return Calm(contestant, lambda: time.sleep(LONG))


def busy(contestant: Contestant, keep_initial: bool) -> Calm:
    """Busy in a loop that gives up the interpreter now and then."""

    def spin() -> None:
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            pass

    return Calm(contestant, spin)


def stuck(contestant: Contestant, keep_initial: bool) -> Calm:
    """Busy in one call that never gives up the interpreter, as a kernel or an extension may be."""
    return Calm(contestant, lambda: pow(7, 10**9))


def never_ready(contestant: Contestant, keep_initial: bool) -> Calm:
    time.sleep(LONG)
    return Calm(contestant)


def raising(contestant: Contestant, keep_initial: bool) -> Calm:
    def fail() -> None:
        raise RuntimeError(f"first line\nshape mismatch in {PRIVATE}")

    return Calm(contestant, fail)


def raising_in_the_build(contestant: Contestant, keep_initial: bool) -> Calm:
    raise ValueError("no such backbone")


def not_applicable(contestant: Contestant, keep_initial: bool) -> Calm:
    raise UsageError("compile is not applicable: no compiler.", "Leave it away.")


def unusable_later_on(contestant: Contestant, keep_initial: bool) -> Calm:
    def fail() -> None:
        raise UsageError("gamma cannot be that.", "Choose another.")

    return Calm(contestant, fail)


def exiting(contestant: Contestant, keep_initial: bool) -> Calm:
    def leave() -> None:
        os.write(2, b"the last words\n")
        os._exit(7)

    return Calm(contestant, leave)


def exiting_politely(contestant: Contestant, keep_initial: bool) -> Calm:
    return Calm(contestant, lambda: sys.exit("enough"))


def killed(contestant: Contestant, keep_initial: bool) -> Calm:
    return Calm(contestant, lambda: os.kill(os.getpid(), signal.SIGKILL))


def aborted(contestant: Contestant, keep_initial: bool) -> Calm:
    """As a C++ library ends that runs out of memory where nobody catches it."""

    def abort() -> None:
        os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n")
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.abort()

    return Calm(contestant, abort)


def chatty(contestant: Contestant, keep_initial: bool) -> Calm:
    """Prints from Python, from below Python and from a child, more than a pipe holds."""

    def chat() -> None:
        print('{"ok": 1, "peak_bytes": 1}', flush=True)
        os.write(1, b"x" * 2 * MEBIBYTE + b"\n")
        subprocess.run([sys.executable, "-c", "print('a child')"], check=True)

    chat()
    return Calm(contestant, chat)


def hungry(contestant: Contestant, keep_initial: bool) -> Calm:
    """May have no more than 128 MiB beside what it has, and asks for 64 MiB each time."""
    held: list[bytearray] = []
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 128 * MEBIBYTE, resource.RLIM_INFINITY))

    def eat() -> None:
        while True:
            held.append(bytearray(b"x") * (32 * MEBIBYTE))

    return Calm(contestant, eat)


def starving(contestant: Contestant, keep_initial: bool) -> Calm:
    """Likewise, in pieces so small that nothing is left for an answer, and never gives them back."""
    held: list[Any] = []
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 32 * MEBIBYTE, resource.RLIM_INFINITY))

    def eat() -> None:
        while True:
            held.append(bytes(400))

    return Calm(contestant, eat)


def allocator(contestant: Contestant, keep_initial: bool) -> Calm:
    """Says it as torch does on a GPU, and has the peak of a device."""

    def fail() -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee the documentation")

    class OnDevice(Calm):
        def memory(self) -> Memory:
            return Memory(process_peak_bytes=1, device_peak_bytes=4321)

    return OnDevice(contestant, fail)


def garbling(contestant: Contestant, keep_initial: bool) -> Calm:
    """Finds the channel for answers, and writes what is none."""

    def garble() -> None:
        for descriptor in range(3, 20):
            try:
                os.write(descriptor, b"no JSON\n")
            except OSError:
                continue

    return Calm(contestant, garble)


def nonsense(contestant: Contestant, keep_initial: bool) -> Calm:
    class Nonsense(Calm):
        """Answers the second time with JSON that is no step."""

        def step(self) -> Any:
            step = super().step()
            return self if self._steps > 1 else step

        def to_data(self) -> list[int]:
            return [1, 2, 3]

    return Nonsense(contestant)


def with_a_child(contestant: Contestant, keep_initial: bool) -> Calm:
    """Has a process of its own, as a compiler or a data loader does; tells its number in the contestant's name."""
    child = subprocess.Popen(["sleep", str(LONG)])
    return Calm(contestant.model_copy(update={"name": str(child.pid)}))


def forking(contestant: Contestant, keep_initial: bool) -> Calm:
    """Dies, and leaves a fork behind that holds on to everything it had open for a while."""

    def fork_and_die() -> None:
        if os.fork() == 0:
            time.sleep(3.0)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)

    return Calm(contestant, fork_and_die)


def in_the_background(contestant: Contestant, keep_initial: bool) -> Calm:
    """Leaves a thread running that would keep a process alive."""
    threading.Thread(target=time.sleep, args=(LONG,)).start()
    return Calm(contestant)


class Paced(Calm):
    """Says that a step takes 10 ms times what `pace.txt` in its folder says, more or less; where it was away for a
    while in the middle of one, that counts.
    """

    def __init__(self, contestant: Contestant, then: Callable[[int], Any] = lambda step: None) -> None:
        super().__init__(contestant)
        self._in_step = then
        self._pace = float(Path("pace.txt").read_text())
        self._luck = random.Random(contestant.name)

    def step(self) -> TimedStep:
        self._steps += 1
        start = time.perf_counter()
        self._in_step(self._steps)
        away = time.perf_counter() - start
        seconds = 0.01 * self._pace * self._luck.uniform(0.998, 1.002) + (away if away > NO_DELAY else 0.0)
        owner = Owner("backbone", "forward")
        return TimedStep(seconds, {owner: Span(seconds, None)}, {owner: 1}, {"total": 1.0}, 0.0)


def paced(contestant: Contestant, keep_initial: bool) -> Paced:
    return Paced(contestant)


def suspended(contestant: Contestant, keep_initial: bool) -> Paced:
    """Is suspended for a second in its fifth step, as a laptop that is closed or a container that is frozen."""

    def suspend(step: int) -> None:
        if step == 5:
            subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {os.getpid()}"])
            os.kill(os.getpid(), signal.SIGSTOP)

    return Paced(contestant, suspend)


def suspended_for_good(contestant: Contestant, keep_initial: bool) -> Paced:
    return Paced(contestant, lambda step: step == 5 and os.kill(os.getpid(), signal.SIGSTOP))


def killed_in_the_fifth_step(contestant: Contestant, keep_initial: bool) -> Paced:
    return Paced(contestant, lambda step: step == 5 and os.kill(os.getpid(), signal.SIGKILL))


class Claiming(Calm):
    """Says that a step takes what no step does, but for the first."""

    def __init__(self, contestant: Contestant, seconds: float) -> None:
        super().__init__(contestant)
        self._seconds = seconds

    def step(self) -> TimedStep:
        step = super().step()
        return step if self._steps == 1 else replace(step, seconds=self._seconds)


def taking_nan(contestant: Contestant, keep_initial: bool) -> Claiming:
    return Claiming(contestant, float("nan"))


def taking_for_ever(contestant: Contestant, keep_initial: bool) -> Claiming:
    return Claiming(contestant, float("inf"))


def taking_nothing(contestant: Contestant, keep_initial: bool) -> Claiming:
    return Claiming(contestant, 0.0)


def taking_less_than_nothing(contestant: Contestant, keep_initial: bool) -> Claiming:
    return Claiming(contestant, -1.0)
