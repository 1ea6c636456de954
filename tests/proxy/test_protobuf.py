import pytest
from google.protobuf import descriptor_pb2, wrappers_pb2
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.proxy.protobuf import all_signed, double, message, signed, text, unsigned, varint


@given(st.integers(0, 2**64 - 1))
def test_googles_library_reads_what_was_written(value: int) -> None:
    assert wrappers_pb2.UInt64Value.FromString(unsigned(1, value)).value == value


@given(st.floats(allow_nan=False))
def test_doubles(value: float) -> None:
    assert wrappers_pb2.DoubleValue.FromString(double(1, value)).value == value


@given(st.text())
def test_texts_and_messages_within_messages(value: str) -> None:
    read = descriptor_pb2.FileDescriptorProto.FromString(message(4, text(1, value)))
    assert [each.name for each in read.message_type] == [value]


@pytest.mark.parametrize(
    ("value", "data"),  # https://protobuf.dev/programming-guides/encoding/#signed-ints
    [(0, b"\x00"), (-1, b"\x01"), (1, b"\x02"), (-2, b"\x03"), (0x7FFFFFFF, b"\xfe\xff\xff\xff\x0f")],
)
def test_signed_numbers_take_turns(value: int, data: bytes) -> None:
    assert signed(5, value) == b"\x28" + data
    assert all_signed(13, [value, value]) == b"\x6a" + varint(2 * len(data)) + 2 * data


def test_nothing_below_0_is_a_varint() -> None:
    with pytest.raises(ValueError, match="-1"):
        varint(-1)
