from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from imaxproxy.cluster import files
from imaxproxy.cluster.files import FileFacts, NodeFiles, fetch, ship
from imaxproxy.errors import ImaxproxyError


class Rays:
    """Ray's `get` of what was done at once."""

    @staticmethod
    def get(reference: "Future[Any]") -> Any:  # noqa: ANN401
        return reference.result()


def done(value: object) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(value)
    return future


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeFiles:
    monkeypatch.setattr(files, "PIECE_BYTES", 4)
    return NodeFiles("node-", str(tmp_path))


@pytest.mark.parametrize("data", [b"", b"abc", b"abcd", b"abcdefghijklmnopqrstu"])
def test_there_and_back_in_pieces(node: NodeFiles, tmp_path: Path, data: bytes) -> None:
    here = tmp_path / "here"
    here.write_bytes(data)
    ship(Rays, lambda name, piece: done(node.write(name, piece)), [("a/b", here)])
    (facts,) = node.facts()
    assert (facts.name, facts.size_bytes, (node.folder / "a" / "b").read_bytes()) == ("a/b", len(data), data)
    fetch(Rays, lambda name, start: done(node.read(name, start)), facts, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    node.remove()
    assert not node.folder.exists()


def test_what_comes_damaged_is_no_file(node: NodeFiles, tmp_path: Path) -> None:
    node.write("x", b"abcdefgh")
    (facts,) = node.facts()
    with pytest.raises(ImaxproxyError, match="x came from its node with other bytes"):
        fetch(Rays, lambda name, start: done(b"abcx"), facts, tmp_path / "back")
    assert not list(tmp_path.glob("back*"))


def test_a_node_that_dies_in_between_leaves_no_half_file(node: NodeFiles, tmp_path: Path) -> None:
    def read(name: str, start: int) -> "Future[Any]":
        future: Future[Any] = done(node.read(name, start)) if not start else Future()
        if start:
            future.set_exception(ConnectionError("gone"))
        return future

    node.write("x", b"abcdefgh")
    with pytest.raises(ConnectionError):
        fetch(Rays, read, FileFacts.of(node.folder, node.folder / "x"), tmp_path / "back")
    assert not list(tmp_path.glob("back*"))


def test_no_name_leads_out(node: NodeFiles) -> None:
    with pytest.raises(ValueError, match="leads out"):
        node.write("../x", b"")
