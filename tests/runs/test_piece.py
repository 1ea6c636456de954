from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.errors import ImaxproxyError
from imaxproxy.runs.piece import Piece, pieces_of


def write(path: Path, texts: list[str]) -> bytes:
    content = b"".join(orjson.dumps({"text": text}, option=orjson.OPT_APPEND_NEWLINE) for text in texts)
    path.write_bytes(content)
    return content


@given(st.lists(st.text(max_size=40), max_size=30), st.integers(1, 200))
def test_pieces_share_no_line_and_leave_none_out(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], bytes_each: int
) -> None:
    path = tmp_path_factory.mktemp("pieces") / "a.jsonl"
    content = write(path, texts)
    pieces = pieces_of([path], bytes_each)
    rows = [each for piece in pieces for each in piece.rows()]
    assert [row["text"] for _, row in rows] == texts
    assert [at for at, _ in rows] == [at for at, _ in Piece(path).rows()]
    assert all(content[at : at + 1] == b"{" for at, _ in rows)
    assert len(pieces) <= len(content) // bytes_each + 1


def test_files_are_cut_in_their_order_and_never_mixed(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("b.jsonl", "a.jsonl", "empty.jsonl")]
    for path in paths:
        write(path, ["x" * 20] * 10 if path.stem != "empty" else [])
    pieces = pieces_of(paths, 100)
    assert [piece.path for piece in pieces] == [paths[0]] * 3 + [paths[1]] * 3 + [paths[2]]
    assert sum(1 for piece in pieces for _ in piece.rows()) == 20


def test_a_last_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text":"whole"}\n{"text":"cu')
    assert [row["text"] for piece in pieces_of([path], 10) for _, row in piece.rows()] == ["whole"]


@pytest.mark.parametrize("line", [b"{", b"[1]", b"no JSON"])
def test_a_broken_line_has_its_number_in_the_file(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text":"1"}\n' * 40 + line + b"\n" + b'{"text":"2"}\n')
    with pytest.raises(ImaxproxyError, match=r"a\.jsonl:41: not a journal line"):
        [row for piece in pieces_of([path], 30) for row in piece.rows()]
