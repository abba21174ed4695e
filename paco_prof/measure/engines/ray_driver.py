"""The process that speaks with Ray: it asks a cluster to do pieces, and tells what has become of them. Free of torch.

A process of its own, because Ray prints, handles signals, waits for minutes where there is no cluster, and ends the
process that uses it where a cluster is lost; whoever measures goes on all the same, with what there is.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import socket
import time
from typing import Any

from paco_prof.errors import PacoProfError, UsageError
from paco_prof.measure.engines import remote
from paco_prof.measure.serving import serve
from paco_prof.measure.shareable import scrub

__all__ = ["RayDriver", "main"]

LOCAL = "local"
# Seconds that a host may take to answer at all.
SECONDS_TO_ANSWER = 3.0
# Seconds that those who are cancelled have to end their own processes.
SECONDS_TO_CANCEL = 5.0
# Pieces come and go as short texts.
OBJECT_STORE_BYTES = 80_000_000
MAX_DETAIL = 300
# What Ray says where what it is to run cannot be imported; why, the last line of it says.
NO_IMPORT = "failed to import on the worker"


class RayDriver:
    """Answers requests, one after the other.

    Args:
        ray: the module; None imports it.
    """

    def __init__(self, ray: Any = None) -> None:
        self._ray = ray
        # What is under way: the number that it was given under, by what Ray calls it.
        self._numbers: dict[Any, int] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What a request is answered with; a failure is an answer as well."""
        try:
            return {"ok": self._do(request), "peak_bytes": 0}
        except PacoProfError as error:
            failed = {"kind": "not applicable", "detail": error.message, "hint": error.hint}
        except Exception as error:
            failed = {"kind": "raised", "detail": _said(error), "hint": ""}
        return {"failed": failed, "peak_bytes": 0}

    def _do(self, request: dict[str, Any]) -> Any:
        what = request["do"]
        if what == "connect":
            return self._connect(request["address"])
        if what == "give":
            return self._give(request["number"], request["told"], request["cpus"], request["gpus"], request["node"])
        if what == "look":
            return {"ended": self._ended(request["seconds"]), "nodes": self._nodes()}
        if what == "cancel":
            return self._cancel()
        raise AssertionError(f"cannot do {what}")

    def _connect(self, address: str | None) -> dict[str, Any]:
        """Which nodes there are so far, and whether there may be more of them later."""
        found = (os.environ.get("RAY_ADDRESS") or LOCAL) if address is None else address
        _refuse_what_is_no_address("RAY_ADDRESS" if address is None else "--address", found)
        options: dict[str, Any] = {"address": found, "log_to_driver": False, "logging_level": "ERROR"}
        if found == LOCAL:
            options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        else:
            _refuse_where_nobody_answers(found)
        ray = self._ray = self._ray or _imported()
        try:
            ray.init(**options)
        except Exception as error:
            raise _not_let_in(found, _said(error)) from error
        return {"nodes": self._nodes(), "may_grow": found != LOCAL}

    def _nodes(self) -> list[dict[str, Any]]:
        """The nodes that are alive; see `Node`."""
        left = self._left_by_node()
        nodes = []
        for node in self._ray.nodes():
            if node["Alive"]:
                has = {name: node["Resources"].get(name, 0.0) for name in ("CPU", "GPU")}
                # What is given away whole is not listed any more.
                free = (
                    has if node["NodeID"] not in left else {name: left[node["NodeID"]].get(name, 0.0) for name in has}
                )
                used = {name: max(0.0, has[name] - free[name]) for name in has}
                nodes.append(
                    {
                        "id": node["NodeID"],
                        "cpus": has["CPU"],
                        "gpus": has["GPU"],
                        "used_cpus": used["CPU"],
                        "used_gpus": used["GPU"],
                    }
                )
        return nodes

    def _left_by_node(self) -> dict[str, dict[str, float]]:
        """What each node has left to give away; empty where this Ray does not tell."""
        try:
            left: dict[str, dict[str, float]] = self._ray._private.state.available_resources_per_node()
        except AttributeError:
            return {}
        return left

    def _give(self, number: int, told: str, cpus: int, gpus: int, node: str) -> None:
        """Have a piece done on a node, and on no other."""
        where = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        # Whoever is lost is told to us, and not tried again behind our back.
        piece = self._ray.remote(remote.done).options(
            num_cpus=cpus, num_gpus=gpus, max_retries=0, scheduling_strategy=where, name="paco-prof"
        )
        self._numbers[piece.remote(told)] = number

    def _ended(self, seconds: float) -> list[dict[str, Any]]:
        if not self._numbers:
            time.sleep(seconds)
            return []
        waiting = list(self._numbers)
        done, _ = self._ray.wait(waiting, num_returns=1, timeout=seconds)
        if done:
            done, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        return [{"number": self._numbers.pop(each), **self._came(each)} for each in done]

    def _came(self, piece: Any) -> dict[str, Any]:
        """What a node has made of a piece, or how it was lost; never an error, which would cost the others."""
        exceptions = self._ray.exceptions
        try:
            answer: dict[str, Any] = json.loads(self._ray.get(piece))
        except exceptions.OutOfMemoryError:
            return {"kind": "out of memory", "detail": "Ray ended it, for the node ran out of memory"}
        except exceptions.RayTaskError as error:
            if NO_IMPORT in str(error.cause):
                last = str(error.cause).strip().splitlines()[-1]
                message = f"A node of the cluster cannot measure: {scrub(last)[:MAX_DETAIL]}."
                return {"refused": {"message": message, "hint": "Install paco-prof on every node."}}
            return {"kind": "raised", "detail": f"the node that took it fails ({_said(error.cause)})"}
        except exceptions.RayError as error:
            return {"kind": "died", "detail": f"whoever took it was lost ({type(error).__name__})"}
        return answer

    def _cancel(self) -> list[dict[str, Any]]:
        """End what is under way, and give it time to end what it has started; what has come of it is told."""
        for piece in self._numbers:
            with contextlib.suppress(Exception):
                self._ray.cancel(piece, force=False)
        if self._numbers:
            self._ray.wait(list(self._numbers), num_returns=len(self._numbers), timeout=SECONDS_TO_CANCEL)
        came = [each for each in self._ended(0.0) if "part" in each]
        self._numbers.clear()
        return came


def _imported() -> Any:
    for name, value in {
        # Nothing is sent anywhere, and nothing is asked.
        "RAY_USAGE_STATS_ENABLED": "0",
        # What runs out of memory finds out by itself, as without Ray, which would end its task as well.
        "RAY_memory_monitor_refresh_ms": "0",
        # A launch without a GPU of its own sees what it would see without Ray.
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }.items():
        os.environ.setdefault(name, value)
    return importlib.import_module("ray")


def _refuse_what_is_no_address(option: str, address: str) -> None:
    """A shell's variable that is not set would start a cluster here, and a host alone is none."""
    if address not in ("auto", LOCAL) and not re.fullmatch(r"ray://.+|.+:\d+", address):
        raise UsageError(f"{option} {address!r} is no address of a cluster.", "Use auto, or HOST:PORT.")


def _refuse_where_nobody_answers(address: str) -> None:
    """Ray waits for minutes for a cluster that is not there, or that was there once."""
    if address.startswith("ray://"):
        raise UsageError(
            f"--address {address} is one for Ray's client, which takes no launches.",
            "Give the command on a node of the cluster, with --address auto.",
        )
    try:
        found = _bootstrap_address(address)
        host, _, port = found.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _no_cluster(address, _said(error)) from error


def _bootstrap_address(address: str) -> str:
    """Where `auto` is: Ray knows."""
    if address != "auto":
        return address
    services = importlib.import_module("ray._private.services")
    return str(services.canonicalize_bootstrap_address_or_die(address))


def _not_let_in(address: str, why: str) -> UsageError:
    """Why Ray cannot be used although somebody answers there."""
    if address == LOCAL:
        return UsageError(f"Ray does not start on this machine: {why.rstrip('.')}.")
    return UsageError(
        f"What answers at {address} is no Ray cluster that lets this process in: {why.rstrip('.')}.",
        "All need one version of Ray, and where the cluster has a token RAY_AUTH_MODE=token and RAY_AUTH_TOKEN.",
    )


def _no_cluster(address: str, why: str) -> UsageError:
    where = "on this machine" if address == "auto" else f"at {address}"
    return UsageError(
        f"There is no Ray cluster {where}: {why.rstrip('.')}.",
        "ray start --head starts one, and without --address one is started on this machine.",
    )


def _said(error: BaseException) -> str:
    """The first line of an error, without its number, as a record may hold it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return scrub(lines[0])[:MAX_DETAIL] if lines else type(error).__name__


def main() -> None:
    """Serve until nobody asks any more."""
    serve(RayDriver().answer)


if __name__ == "__main__":
    main()
