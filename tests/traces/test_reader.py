import gzip
import lzma
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imaxproxy.errors import UsageError
from imaxproxy.shipped import shipped
from imaxproxy.traces import open_trace, trace_sha256
from imaxproxy.traces.file import zstd

DATA = Path(__file__).parents[1] / "data" / "traces"
SAMPLE = shipped("workloads") / "mooncake_conversation.first3min.jsonl"
GOOD = b'{"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [1, 2]}\n'


def write(tmp_path: Path, text: bytes, name: str = "t.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(text)
    return path


@pytest.mark.parametrize(
    ("name", "format", "rows"),
    [
        (SAMPLE, "mooncake", 556),
        (DATA / "azure_code_2023.excerpt.jsonl", "canonical", 4),  # three of Mooncake's keys, so not Mooncake
        (DATA / "servegen_deepseek_r1_synthetic.excerpt.jsonl", "canonical", 4),
        (DATA / "weka_claude_code.excerpt.jsonl", "canonical", 5),
        (DATA / "swebench_reasoning_agent.excerpt.jsonl", "canonical", 4),
        (DATA / "lmcache_miniswe.excerpt.jsonl", "canonical", 2),
        (DATA / "openai_batch.jsonl", "openai-batch", 2),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else None,
)
def test_finds_the_format_by_itself(name: Path, format: str, rows: int) -> None:
    trace = open_trace(name)
    assert trace.format == format
    assert len(list(trace)) == rows
    assert (trace.skipped, trace.clamped, dict(trace.unknown_fields)) == (0, 0, {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "t.jsonl is empty"),
        (b"\n  \n", "t.jsonl is empty"),
        (b'{"input_length": \n', "t.jsonl:1: not valid JSON"),
        (b"TIMESTAMP,ContextTokens\n1,2\n", "no known CSV trace has the columns TIMESTAMP, ContextTokens"),
        (b"[1, 2]\n", "t.jsonl, element 1 of the array: expected a JSON object, found 1"),
        (b'[{"id": 1}, {]\n', "t.jsonl, element 2 of the array: not valid JSON"),
        (b"[]", "t.jsonl has no records"),
        (b"[" * 100_000, "t.jsonl, element 1 of the array: not valid JSON (it nests deeper than 1024 levels)"),
        ("[]".encode("utf-16"), "t.jsonl is UTF-16, and a trace is UTF-8: `iconv -f UTF-16 -t UTF-8` makes it so"),
        (b"\0\0\xfe\xff\0\0\0[", "t.jsonl is UTF-32"),
        (b"\x89PNG\r\n\x00\x00", "t.jsonl holds binary data (line 2)"),
        (b"\x28\xb5\x2f\xfd....", "t.jsonl cannot be read"),
        (b"\x1f\x8b damaged", "t.jsonl cannot be read"),
        (b'{"input_length": NaN}\n', "t.jsonl:1: not valid JSON"),
        (GOOD + b"{\n", "t.jsonl:2: not valid JSON"),
        (b'{"schema": "imaxproxy.trace/2"}\n{"input_length": 1}\n', "t.jsonl:1: field `schema`: expected"),
        (b'{"schema": "imaxproxy.trace/1"}\n', "t.jsonl has no row that can be used"),
    ],
)
def test_an_unreadable_file_is_one_line_that_says_where(tmp_path: Path, text: bytes, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        list(open_trace(write(tmp_path, text)))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"), [("missing.jsonl", "does not exist"), (".", "is a directory without trace files")]
)
def test_a_path_that_is_no_file(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        open_trace(tmp_path / name)
    with pytest.raises(UsageError, match=says):
        trace_sha256(tmp_path / name)


def test_unknown_format_and_empty_limit_are_usage_errors(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    with pytest.raises(UsageError, match=r"--format must be auto, mooncake or .* or canonical, not satf"):
        open_trace(path, format="satf")
    with pytest.raises(UsageError, match="--limit must be at least 1"):
        open_trace(path, limit=0)


def test_rows_stream_so_a_fault_far_down_is_met_only_there(tmp_path: Path) -> None:
    rows = iter(open_trace(write(tmp_path, GOOD * 100 + b"{\n")))
    assert [next(rows).request_id for _ in range(100)] == [str(line) for line in range(1, 101)]
    with pytest.raises(UsageError, match=r"t\.jsonl:101: not valid JSON .*pass --skip-bad"):
        next(rows)


def test_skip_bad_counts_and_leaves_out(tmp_path: Path) -> None:
    bad = b'{"timestamp": -1, "input_length": 600, "output_length": 5, "hash_ids": [1, 2]}\n'
    trace = open_trace(write(tmp_path, bad + GOOD + b"{\n" * 7 + GOOD), skip_bad=True)
    assert [row.request_id for row in trace] == ["2", "10"]
    assert trace.skipped == 8
    assert len(trace.skipped_examples) == 5
    assert "t.jsonl:1: field `timestamp`" in trace.skipped_examples[0]


def test_skip_bad_with_nothing_left_is_still_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no row that can be used.*t\.jsonl:1: not valid JSON"):
        list(open_trace(write(tmp_path, b"{\n"), skip_bad=True))


def test_counts_start_over_with_each_iteration(tmp_path: Path) -> None:
    zero = b'{"input_length": 0, "output_length": 0, "color": "red"}\n'
    trace = open_trace(write(tmp_path, zero * 3))
    for _ in range(2):
        assert all((row.input_length, row.output_length) == (1, 1) for row in trace)
        assert (trace.rows, trace.clamped, trace.unknown_fields["color"]) == (3, 6, 3)


def test_limit_ends_before_a_later_fault(tmp_path: Path) -> None:
    assert len(list(open_trace(write(tmp_path, GOOD + GOOD + b"{\n"), limit=2))) == 2


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, zstd.compress])
def test_compressed_files_are_known_by_their_bytes(tmp_path: Path, compress: object) -> None:
    assert callable(compress)
    trace = open_trace(write(tmp_path, compress(GOOD * 3), "no_suffix"))
    assert (trace.format, len(list(trace))) == ("mooncake", 3)


def test_blank_lines_and_a_byte_order_mark_do_not_shift_line_numbers(tmp_path: Path) -> None:
    rows = list(open_trace(write(tmp_path, b"\xef\xbb\xbf" + GOOD + b"\n\r\n" + GOOD)))
    assert [row.request_id for row in rows] == ["1", "4"]


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress, zstd.compress])
@pytest.mark.parametrize(
    "text",
    [
        b'[{"input_length": 7}]',
        b'{\n"input_length": 7\n}\n',
        b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 00:00:01,7,1\n",
    ],
)
def test_a_byte_order_mark_before_any_layout(tmp_path: Path, text: bytes, compress: Callable[[bytes], bytes]) -> None:
    (row,) = open_trace(write(tmp_path, compress(b"\xef\xbb\xbf" + text)))
    assert row.input_length == 7


def test_a_header_gives_defaults_and_is_no_row(tmp_path: Path) -> None:
    header = {"schema": "imaxproxy.trace/1", "block_size": 64, "source": "made up"}
    trace = open_trace(write(tmp_path, orjson.dumps(header) + b'\n{"input_length": 65, "hash_ids": [7]}\n'))
    (row,) = trace
    assert (trace.format, trace.header["source"], row.block_size, row.request_id) == ("canonical", "made up", 64, "2")


def test_an_explicit_format_wins_over_the_look_of_the_rows(tmp_path: Path) -> None:
    path = write(tmp_path, b'{"timestamp": 0, "input_length": 1025, "output_length": 5, "hash_ids": [1, 2]}\n')
    with pytest.raises(UsageError, match="expected 3 ids"):
        list(open_trace(path))
    (row,) = open_trace(path, format="canonical")  # the floor rule is canonical's alone
    assert row.hash_ids == (1, 2)


def test_repr_shows_progress() -> None:
    trace = open_trace(SAMPLE, limit=3)
    list(trace)
    assert repr(trace) == "<Trace mooncake_conversation.first3min.jsonl mooncake | 3 rows, 0 skipped>"


def test_sha256_is_of_the_bytes_on_disk(tmp_path: Path) -> None:
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, "abc"
    assert trace_sha256(write(tmp_path, b"abc")) == known


@example(b'",', False)  # a line of names that is no CSV
@given(st.binary(max_size=200), st.booleans())
def test_only_a_usage_error_leaves_whatever_the_bytes(data: bytes, skip_bad: bool) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t"
        for text in (data, GOOD + data, gzip.compress(GOOD * 9)[: len(data)], b"\xfd7zXZ\x00" + data):
            path.write_bytes(text)
            with suppress(UsageError):
                list(open_trace(path, skip_bad=skip_bad))
