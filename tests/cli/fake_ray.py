"""Ray's calls, answered by threads of this process: what `replay --ray` does with nodes, without a cluster."""

import concurrent.futures
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class RayActorError(Exception):
    """As Ray says it of a node that is gone."""


class FakeRay:
    """`get` and `wait` of futures, and actors of classes."""

    def __init__(self, cpus: float = 4.0, gpus: float = 0.0) -> None:
        self._resources = {"CPU": cpus, "GPU": gpus}
        self.actors: list[FakeActor] = []

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": self._resources}]

    def remote(self, kind: type) -> "_Kind":
        return _Kind(self, kind)

    def kill(self, actor: "FakeActor") -> None:
        actor.dead = True

    @staticmethod
    def get(reference: "Future[Any]", timeout: float | None = None) -> Any:  # noqa: ANN401
        return reference.result(timeout)

    @staticmethod
    def wait(
        references: "Sequence[Future[Any]]", num_returns: int, timeout: float | None = None
    ) -> "tuple[list[Future[Any]], list[Future[Any]]]":
        assert num_returns == len(references)
        done, rest = concurrent.futures.wait(references, timeout)
        return list(done), list(rest)


class FakeCluster:
    """One whose head can be lost."""

    def __init__(self) -> None:
        self.ray = FakeRay()
        self.head_is_lost = False


class FakeActor:
    """An object whose methods are called as an actor's are. `die`: from then on nobody answers."""

    def __init__(self, kept: Any) -> None:  # noqa: ANN401
        self.kept = kept
        self._pool = ThreadPoolExecutor(4)
        self.dead = False
        self.dies_at: str | None = None
        """The method at whose call it dies."""

    def __getattr__(self, name: str) -> "_Method":
        return _Method(self, name)

    def die(self) -> None:
        self.dead = True
        self.kept.close()

    def call(self, name: str, arguments: tuple[object, ...]) -> Any:  # noqa: ANN401
        if name == self.dies_at:
            self.die()
        if self.dead:
            raise RayActorError("the actor died")
        return getattr(self.kept, name)(*arguments)

    def submit(self, name: str, arguments: tuple[object, ...]) -> "Future[Any]":
        return self._pool.submit(self.call, name, arguments)


class _Kind:
    """A class that was made remote."""

    def __init__(self, ray: FakeRay, kind: type) -> None:
        self._ray, self._kind = ray, kind

    def options(self, **_options: object) -> "_Kind":
        return self

    def remote(self, *arguments: object) -> FakeActor:
        self._ray.actors.append(FakeActor(self._kind(*arguments)))
        return self._ray.actors[-1]


class _Method:
    def __init__(self, actor: FakeActor, name: str) -> None:
        self._actor, self._name = actor, name

    def remote(self, *arguments: object) -> "Future[Any]":
        return self._actor.submit(self._name, arguments)
