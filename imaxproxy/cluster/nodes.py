"""The nodes of a cluster, and what runs on each: versions that must be the same everywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imaxproxy.cluster.asking import answers_of_all
from imaxproxy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Node:
    """One that is alive."""

    node_id: str
    address: str
    host: str
    cpus: float
    gpus: float = 0.0

    @property
    def name(self) -> str:
        """For people: two nodes of one host (or one address) differ in their id."""
        return f"{self.host} {self.address} {self.node_id[:8]}"


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a node runs."""

    ray: str
    python: str
    imaxproxy: str | None
    """None: it is not installed there."""
    code: str | None = None
    """A digest of the installed package's source: two of one version may differ."""


def facts_probe() -> Any:  # noqa: ANN401
    """A function that finds out `NodeFacts`' fields as a dict, on a node that may lack imaxproxy.

    Made here inside another one so that Ray carries it by value: by name, the node could not import it.
    """

    def probe() -> dict[str, str | None]:
        import hashlib
        import platform
        from pathlib import Path

        import ray

        facts: dict[str, str | None] = {"ray": ray.__version__, "python": platform.python_version()}
        try:
            import imaxproxy
        except ImportError:
            return facts | {"imaxproxy": None, "code": None}
        root = Path(imaxproxy.__file__).parent
        digest = hashlib.sha256()
        for path in sorted(root.rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
        return facts | {"imaxproxy": imaxproxy.__version__, "code": digest.hexdigest()}

    return probe


def facts_of_all(ray: Any, nodes: Sequence[Node]) -> dict[str, NodeFacts]:  # noqa: ANN401
    """What each of the nodes runs, by its name. Raises UsageError when one of them is lost."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    probe = ray.remote(facts_probe())
    asked = [
        probe.options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node.node_id, soft=False)).remote()
        for node in nodes
    ]
    return {
        node.name: NodeFacts(**row) for node, row in zip(nodes, answers_of_all(ray, asked, lambda: True), strict=True)
    }


def own_facts() -> NodeFacts:
    """What this process runs."""
    return NodeFacts(**facts_probe()())


def check_versions(ours: NodeFacts, theirs: Mapping[str, NodeFacts]) -> None:
    """Raises UsageError that names the first node which runs something else. theirs: by the node's name."""
    for name, facts in theirs.items():
        if facts.imaxproxy is None:
            raise UsageError(
                f"node {name} has no imaxproxy: install version {ours.imaxproxy} there, with its extra ray"
            )
        for what, mine, other in (
            ("Ray", ours.ray, facts.ray),
            ("Python", _minor(ours.python), _minor(facts.python)),
            ("imaxproxy", ours.imaxproxy, facts.imaxproxy),
        ):
            if mine != other:
                raise UsageError(f"node {name} runs {what} {other}, and this is {mine}: install the same on all nodes")
        if ours.code != facts.code:
            raise UsageError(
                f"node {name} has imaxproxy {facts.imaxproxy} too, but other code of it than here: install the same on "
                "all nodes"
            )


def _minor(version: str) -> str:
    """Python's patch releases read each other's pickles."""
    return ".".join(version.split(".")[:2])
