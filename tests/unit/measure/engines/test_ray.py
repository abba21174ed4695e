"""What we ask of Ray, and what we make of its answers, with a module in its place."""

from __future__ import annotations

import socket
import time
from types import SimpleNamespace
from typing import Any

import pytest

from paco_prof.measure.engines.ray_driver import RayDriver


class RayError(Exception):
    """Ray's own: what ran is lost."""


class OutOfMemoryError(RayError):
    """A node has too little memory left."""


class NodeDiedError(RayError):
    """A node is gone."""


class RayTaskError(RayError):
    """What ran has raised."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


# As Ray 2.60 has it.
NO_IMPORT = """The remote function failed to import on the worker. This may be because needed library dependencies are \
not installed in the worker environment or cannot be found from sys.path ['/home/ada/lib']:

Traceback (most recent call last):
  File "/home/ada/lib/ray/_private/function_manager.py", line 311, in fetch_and_register_remote_function
    function = pickle.loads(serialized_function)
ModuleNotFoundError: No module named 'paco_prof'
"""


class PlayedRay:
    """Ray, as far as it is used: every task is over at once."""

    util = SimpleNamespace(
        scheduling_strategies=SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: (node, soft))
    )
    exceptions = SimpleNamespace(RayError=RayError, OutOfMemoryError=OutOfMemoryError, RayTaskError=RayTaskError)

    def __init__(self, result: str | Exception | dict[str, str | Exception] = '{"part": {}}') -> None:
        # One for all, or one each.
        self.results = result
        self.asked: dict[str, Any] = {}
        self.cancelled: list[str] = []

    def init(self, **options: Any) -> None:
        self.asked = options

    def nodes(self) -> list[dict[str, Any]]:
        has = {"a": {"CPU": 4.0, "GPU": 1.0}, "b": {}, "c": {"CPU": 64.0}}
        return [{"NodeID": name, "Alive": name != "c", "Resources": own} for name, own in has.items()]

    def remote(self, function: Any) -> Any:
        def options(**asked: Any) -> Any:
            self.asked = asked
            return SimpleNamespace(remote=lambda told: f"task {told}")

        return SimpleNamespace(options=options)

    def wait(self, tasks: list[str], num_returns: int, timeout: float) -> tuple[list[str], list[str]]:
        return tasks[:num_returns], tasks[num_returns:]

    def get(self, task: str) -> str:
        result = self.results[task] if isinstance(self.results, dict) else self.results
        if isinstance(result, Exception):
            raise result
        return result

    def cancel(self, task: str, force: bool) -> None:
        self.cancelled.append(task)


def asked(driver: RayDriver, what: str, **told: Any) -> Any:
    return driver.answer({"do": what, **told})


def given(ray: PlayedRay) -> RayDriver:
    driver = RayDriver(ray)
    asked(driver, "connect", address="local")
    asked(driver, "give", number=7, told="it", cpus=2, gpus=1, node="a")
    return driver


class TestDriver:
    """The process that speaks with Ray."""

    def test_a_cluster_of_its_own_is_small_and_silent(self) -> None:
        ray = PlayedRay()
        answer = asked(RayDriver(ray), "connect", address=None)
        assert answer["ok"] == {
            "nodes": [
                {"id": "a", "cpus": 4.0, "gpus": 1.0, "used_cpus": 0.0, "used_gpus": 0.0},
                {"id": "b", "cpus": 0.0, "gpus": 0.0, "used_cpus": 0.0, "used_gpus": 0.0},
            ],
            "may_grow": False,
        }
        assert ray.asked["address"] == "local"
        assert (ray.asked["include_dashboard"], ray.asked["log_to_driver"]) == (False, False)

    def test_the_environment_may_name_the_cluster(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{server.getsockname()[1]}")
            ray = PlayedRay()
            assert asked(RayDriver(ray), "connect", address=None)["ok"]["may_grow"]
            assert ray.asked["address"].startswith("127.0.0.1:")
            assert "object_store_memory" not in ray.asked

    @pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "ray://127.0.0.1:10001", "127.0.0.1:99999999"])
    def test_where_there_is_no_cluster_one_line_says_so_at_once(self, address: str) -> None:
        begun = time.monotonic()
        failed = asked(RayDriver(PlayedRay()), "connect", address=address)["failed"]
        assert failed["kind"] == "not applicable"
        assert address in failed["detail"]
        assert "\n" not in failed["detail"]
        assert time.monotonic() - begun < 10

    @pytest.mark.parametrize("address", ["", " ", "node0", "node0:", "login:x"])
    def test_what_is_no_address_is_said_to_be_none(self, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        failed = asked(RayDriver(PlayedRay()), "connect", address=address)["failed"]
        assert failed["kind"] == "not applicable"
        assert failed["detail"] == f"--address {address!r} is no address of a cluster."
        monkeypatch.setenv("RAY_ADDRESS", "node0")
        assert "RAY_ADDRESS 'node0' is no" in asked(RayDriver(PlayedRay()), "connect", address=None)["failed"]["detail"]

    def test_a_cluster_that_lets_nobody_in_is_not_said_to_be_missing(self) -> None:
        class Locked(PlayedRay):
            def init(self, **options: Any) -> None:
                raise RuntimeError("Authentication token is missing or incorrect")

        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            failed = asked(RayDriver(Locked()), "connect", address=address)["failed"]
        assert failed["kind"] == "not applicable"
        assert address in failed["detail"]
        assert "token is missing" in failed["detail"]
        assert "RAY_AUTH_TOKEN" in failed["hint"]

    def test_a_launch_has_its_cores_and_gpus_and_is_not_tried_behind_our_back(self) -> None:
        ray = PlayedRay()
        given(ray)
        assert (ray.asked["num_cpus"], ray.asked["num_gpus"], ray.asked["max_retries"]) == (2, 1, 0)

    def test_a_launch_that_is_sent_to_a_node_runs_there_or_nowhere(self) -> None:
        ray = PlayedRay()
        asked(given(ray), "give", number=8, told="too", cpus=4, gpus=0, node="a")
        assert ray.asked["scheduling_strategy"] == ("a", False)

    @pytest.mark.parametrize(
        ("left", "used"),
        [({"CPU": 4.0, "GPU": 1.0}, (0, 0)), ({"CPU": 3.0, "GPU": 1.0}, (1, 0)), ({"CPU": 4.0}, (0, 1)), ({}, (4, 1))],
    )
    def test_what_is_given_away_of_a_node_is_told(self, left: dict[str, float], used: tuple[int, int]) -> None:
        ray = PlayedRay()
        state = SimpleNamespace(available_resources_per_node=lambda: {"a": left})
        ray._private = SimpleNamespace(state=state)  # type: ignore[attr-defined]
        nodes = asked(given(ray), "look", seconds=0.0)["ok"]["nodes"]
        assert [(node["used_cpus"], node["used_gpus"]) for node in nodes] == [used, (0, 0)]

    def test_what_comes_back_is_told_once_with_the_nodes(self) -> None:
        driver = given(PlayedRay())
        seen = asked(driver, "look", seconds=0.0)["ok"]
        assert seen["ended"] == [{"number": 7, "part": {}}]
        assert len(seen["nodes"]) == 2
        assert asked(driver, "look", seconds=0.0)["ok"]["ended"] == []

    @pytest.mark.parametrize(
        ("error", "kind"), [(NodeDiedError("the node died"), "died"), (OutOfMemoryError("95 %"), "out of memory")]
    )
    def test_who_was_lost_is_told_and_how(self, error: Exception, kind: str) -> None:
        (ended,) = asked(given(PlayedRay(error)), "look", seconds=0.0)["ok"]["ended"]
        assert (ended["number"], ended["kind"]) == (7, kind)
        assert "part" not in ended

    def test_a_node_without_the_package_refuses(self) -> None:
        error = RayTaskError(RuntimeError(NO_IMPORT))
        (ended,) = asked(given(PlayedRay(error)), "look", seconds=0.0)["ok"]["ended"]
        assert (
            ended["refused"]["message"]
            == "A node of the cluster cannot measure: ModuleNotFoundError: No module named 'paco_prof'."
        )

    def test_a_node_that_fails_is_lost(self) -> None:
        (ended,) = asked(given(PlayedRay(RayTaskError(OSError(28, "No space")))), "look", seconds=0.0)["ok"]["ended"]
        assert ended == {"number": 7, "kind": "raised", "detail": "the node that took it fails (No space)"}

    def test_what_a_node_says_is_told_without_its_folders(self) -> None:
        error = RayTaskError(
            RuntimeError("cannot open /home/ada/.cache/secret/lock, in ['/home/ada/lib', '/home/ada']")
        )
        (ended,) = asked(given(PlayedRay(error)), "look", seconds=0.0)["ok"]["ended"]
        assert ended["detail"] == "the node that took it fails (cannot open lock, in ['lib', '~'])"

    @pytest.mark.parametrize(
        "bad",
        [
            '{"refused": {"message": "No.", "hint": "Do."}}',
            RayTaskError(KeyError("oops")),
            RayTaskError(RuntimeError(NO_IMPORT)),
            NodeDiedError("gone"),
        ],
    )
    def test_whatever_becomes_of_one_the_others_arrive(self, bad: str | Exception) -> None:
        ray = PlayedRay({"task it": '{"part": {}}', "task bad": bad, "task last": '{"part": {}, "seconds": 2.0}'})
        driver = given(ray)
        for number, told in ((8, "bad"), (9, "last")):
            asked(driver, "give", number=number, told=told, cpus=2, gpus=0, node="a")
        ended = asked(driver, "look", seconds=0.0)["ok"]["ended"]
        assert [each["number"] for each in ended] == [7, 8, 9]
        assert [each["number"] for each in ended if "part" in each] == [7, 9]

    def test_what_is_under_way_is_cancelled(self) -> None:
        ray = PlayedRay()
        assert asked(given(ray), "cancel")["ok"] == [{"number": 7, "part": {}}]
        assert ray.cancelled == ["task it"]

    def test_what_has_come_of_nothing_is_not_told_where_all_is_cancelled(self) -> None:
        assert asked(given(PlayedRay(NodeDiedError("cancelled"))), "cancel")["ok"] == []
