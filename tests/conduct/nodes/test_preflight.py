"""What is asked of nodes before a run, by nodes that are objects of this process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.command import write_trace
from cli.fake_ray import FakeActor, FakeRay

from imaxproxy.cluster import Node
from imaxproxy.conduct.nodes.node import RayNode
from imaxproxy.conduct.nodes.preflight import Preflight
from imaxproxy.errors import UsageError
from imaxproxy.traces import trace_sha256
from imaxproxy.wire import BaseUrl


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[FakeActor]]:
    made = [FakeActor(RayNode(str(tmp_path))) for _ in range(2)]
    yield made
    for each in made:
        each.kept.close()


def preflight(nodes: list[FakeActor]) -> Preflight:
    named = [Node(f"{number:08}", "127.0.0.1", f"host{number}", 2.0) for number in range(len(nodes))]
    return Preflight(FakeRay, named, nodes)


def blind(node: FakeActor, path: Path) -> None:
    """As if the node had not this file at its place."""
    real = node.kept.trace_sha256
    node.kept.trace_sha256 = lambda name: None if Path(name) == path else real(name)


def test_a_trace_that_all_have_stays_where_it_is(nodes: list[FakeActor], tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "trace.jsonl", 3)
    assert preflight(nodes).traces(trace) == [str(trace)] * 2
    assert preflight(nodes).traces(Path("fixed-1k1k")) == ["fixed-1k1k"] * 2  # what ships is on every node


@pytest.mark.parametrize("folder", [False, True])
def test_a_trace_that_a_node_lacks_is_shipped(
    nodes: list[FakeActor], tmp_path: Path, folder: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    where = tmp_path / "traces"
    where.mkdir()
    trace = write_trace(where / "a.jsonl", 300)
    write_trace(where / "b.jsonl", 5)
    asked = where if folder else trace
    blind(nodes[1], asked)
    first, second = preflight(nodes).traces(asked)
    assert first == str(asked)
    assert Path(second).is_relative_to(nodes[1].kept._files.folder)
    assert trace_sha256(second) == trace_sha256(asked)
    assert "shipping the trace (0.0 MB) to 1 of 2 nodes" in capsys.readouterr().err


def test_a_trace_that_comes_damaged_is_refused(nodes: list[FakeActor], tmp_path: Path) -> None:
    trace = write_trace(tmp_path / "trace.jsonl", 3)
    nodes[1].kept.trace_sha256 = lambda name: "other"
    with pytest.raises(UsageError, match=r"node host1 .* cannot read the trace"):
        preflight(nodes).traces(trace)


def test_a_tokenizer_must_lie_on_every_node(nodes: list[FakeActor], tmp_path: Path) -> None:
    tokenizer = tmp_path / "model"
    tokenizer.mkdir()
    (tokenizer / "tokenizer.json").write_text("{}")
    preflight(nodes).same_tokenizer(tokenizer)
    preflight(nodes).same_tokenizer(None)
    blind(nodes[0], tokenizer / "tokenizer.json")
    with pytest.raises(UsageError, match=r"node host0 .* cannot read --tokenizer"):
        preflight(nodes).same_tokenizer(tokenizer)


def test_an_engine_that_one_node_does_not_reach(nodes: list[FakeActor]) -> None:
    url = BaseUrl.parse("http://127.0.0.1:1/v1", "--url")
    preflight(nodes).engine(url)  # nobody reaches it: the run will say so, as on one machine
    nodes[0].kept.reaches = lambda host, port: None
    with pytest.raises(UsageError, match=r"node host1 .* does not reach the engine at http://127.0.0.1:1"):
        preflight(nodes).engine(url)


def test_storage_that_one_node_does_not_see(nodes: list[FakeActor], tmp_path: Path) -> None:
    preflight(nodes).shared(tmp_path)
    nodes[1].kept.sees = lambda path: False
    with pytest.raises(UsageError, match=r"--no-gather: node host1 .* does not see"):
        preflight(nodes).shared(tmp_path)
    assert not list(tmp_path.glob(".shared-*"))


def test_a_node_that_cannot_start_says_why(nodes: list[FakeActor]) -> None:
    def broken() -> dict[str, Any]:
        raise PermissionError("[Errno 13] Permission denied: '/nowhere'")

    nodes[1].kept.host = broken
    with pytest.raises(UsageError, match=r"node host1 .*cannot start there.*Permission denied"):
        preflight(nodes).hosts()
