"""What must hold on every node before anything starts; what does not is one line that names the node."""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from imaxproxy.cluster import Node, Reservation, check_versions, is_gone, reason_of, ship
from imaxproxy.cluster.asking import ask_all
from imaxproxy.cluster.nodes import own_facts
from imaxproxy.conduct.output import say
from imaxproxy.errors import UsageError
from imaxproxy.traces import trace_sha256
from imaxproxy.traces.file import found, trace_files
from imaxproxy.wire import BaseUrl

_ANSWER_S = 60.0
"""An actor's first answer takes seconds on a busy node: its process starts, and imports."""


def check_same_code(reservation: Reservation) -> None:
    """Raises UsageError for a node with other versions of Ray, Python or imaxproxy than ours."""
    check_versions(own_facts(), reservation.facts())


class Preflight:
    """Asks all nodes at once."""

    def __init__(self, ray: Any, nodes: Sequence[Node], actors: Sequence[Any]) -> None:  # noqa: ANN401
        self._ray, self._nodes, self._actors = ray, nodes, actors

    def hosts(self) -> list[dict[str, Any]]:
        """What each node is. Raises UsageError for one on which nothing can be written or started."""
        return self._ask(lambda actor: actor.host.remote(), "cannot start there (is its --node-dir writable?)")

    def traces(self, path: Path) -> list[str]:
        """Where the trace lies on each node: at its own path where that is the same file, else shipped there.

        Raises UsageError for a node that can neither read it nor take it.
        """
        mine = trace_sha256(path)
        name = str(path if not path.exists() else path.resolve())  # a bare name of what ships is one on every node
        theirs = self._ask(lambda actor: actor.trace_sha256.remote(name), "cannot look for the trace")
        missing = [number for number, sha256 in enumerate(theirs) if sha256 != mine]
        if missing:
            size_mb = sum(file.stat().st_size for file in trace_files(found(path))) / 1e6
            say(f"imaxproxy: shipping the trace ({size_mb:.1f} MB) to {len(missing)} of {len(theirs)} nodes")
        places = [name] * len(theirs)
        for number in missing:
            places[number] = self._shipped(number, found(path), mine)
        return places

    def same_tokenizer(self, path: Path | None) -> None:
        """Raises UsageError for a node that cannot read --tokenizer, or has another one."""
        if path is None:
            return
        file = path / "tokenizer.json" if path.is_dir() else path
        mine, name = trace_sha256(file), str(file.resolve())
        theirs = self._ask(lambda actor: actor.trace_sha256.remote(name), "cannot look for the tokenizer")
        for node, sha256 in zip(self._nodes, theirs, strict=True):
            if sha256 != mine:
                what = "cannot read" if sha256 is None else "has another file at"
                raise UsageError(f"node {node.name} {what} --tokenizer {file}: put the same one there, on every node")

    def engine(self, url: BaseUrl) -> None:
        """Raises UsageError for a node that does not reach an engine which others do."""
        whys = self._ask(lambda actor: actor.reaches.remote(url.host, url.port), "cannot look for the engine")
        if all(whys):
            return  # nobody does: the run says so, as on one machine
        for node, why in zip(self._nodes, whys, strict=True):
            if why:
                raise UsageError(
                    f"node {node.name} does not reach the engine at {url} ({why}), and others do: give an address that "
                    "all nodes reach"
                )

    def shared(self, out: Path) -> None:
        """Raises UsageError for a node that does not see, or may not write, what we write in `out`."""
        mark = out.resolve() / f".shared-{secrets.token_hex(8)}"
        mark.write_bytes(b"imaxproxy")
        try:
            seen = self._ask(lambda actor: actor.sees.remote(str(mark)), "cannot look for --out")
        finally:
            mark.unlink()
        for node, sees in zip(self._nodes, seen, strict=True):
            if not sees:
                raise UsageError(
                    f"--no-gather: node {node.name} does not see {out}, or may not write there: --out must lie on "
                    "storage that all nodes share"
                )

    def _shipped(self, number: int, path: Path, sha256: str) -> str:
        try:
            return self._ship(number, path, sha256)
        except UsageError:
            raise
        except Exception as error:  # it is lost, or its disk is full
            name = self._nodes[number].name
            raise UsageError(f"node {name}: the trace cannot be shipped there: {reason_of(error)}") from error

    def _ship(self, number: int, path: Path, sha256: str) -> str:
        actor = self._actors[number]
        files = [(f"trace/{file.relative_to(path.parent)}", file) for file in trace_files(path)]
        ship(self._ray, lambda name, piece: actor.take.remote(name, piece), files)
        place: str = self._ray.get(actor.take.remote(files[0][0], b""))
        if path.is_dir():
            place = str(Path(place).parent)
        if self._ray.get(actor.trace_sha256.remote(place)) != sha256:
            raise UsageError(f"node {self._nodes[number].name} cannot read the trace {path}, at its place or shipped")
        return place

    def _ask(self, ask: Callable[[Any], Any], failed: str) -> list[Any]:
        answers = ask_all(self._ray, [ask(actor) for actor in self._actors], _ANSWER_S)
        for node, answer in zip(self._nodes, answers, strict=True):
            if isinstance(answer, Exception):
                if is_gone(answer):
                    raise UsageError(f"node {node.name} was lost before the start: {reason_of(answer)}") from answer
                raise UsageError(f"node {node.name}: {failed}: {reason_of(answer)}") from answer
        return answers
