"""What Google's own library reads in the protocol buffers of `/metrics`, with messages that are built here.

Field numbers as in metrics.proto of prometheus/client_model 0.6.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "io.prometheus.client"
_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "double": _Field.TYPE_DOUBLE, "uint64": _Field.TYPE_UINT64, "uint32": _Field.TYPE_UINT32,
    "sint32": _Field.TYPE_SINT32, "sint64": _Field.TYPE_SINT64, "string": _Field.TYPE_STRING,
    "int32": _Field.TYPE_INT32,
}  # fmt: skip
_MESSAGES = {
    "LabelPair": "name:string:1 value:string:2",
    "Gauge": "value:double:1",
    "Counter": "value:double:1",
    "Bucket": "cumulative_count:uint64:1 upper_bound:double:2",
    "BucketSpan": "offset:sint32:1 length:uint32:2",
    "Histogram": "sample_count:uint64:1 sample_sum:double:2 bucket:Bucket*:3 schema:sint32:5 zero_threshold:double:6 "
    "zero_count:uint64:7 positive_span:BucketSpan*:12 positive_delta:sint64*:13",
    "Metric": "label:LabelPair*:1 gauge:Gauge:2 counter:Counter:3 histogram:Histogram:7",
    "MetricFamily": "name:string:1 help:string:2 type:int32:3 metric:Metric*:4",
}


def families(page: bytes) -> Iterator[Any]:
    """The MetricFamily messages of a page. Raises DecodeError for bytes that are none."""
    at = 0
    while at < len(page):
        length, at = _length(page, at)
        assert at + length <= len(page), "cut short"
        found = _MetricFamily()
        found.ParseFromString(page[at : at + length])
        before = found.ByteSize()
        found.DiscardUnknownFields()
        assert found.ByteSize() == before, f"{found.name}: fields that Prometheus does not know"
        yield found
        at += length


def _length(page: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (page[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if page[at - 1] < 0x80:
            return value, at


def _message_class() -> Any:  # noqa: ANN401 (made at run time)
    file = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, type_, number in (each.split(":") for each in fields.split()):
            field = message.field.add(name=field_name, number=int(number))
            field.label = _Field.LABEL_REPEATED if type_.endswith("*") else _Field.LABEL_OPTIONAL
            kind = type_.removesuffix("*")
            if kind in _TYPES:
                field.type = _TYPES[kind]
            else:
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.MetricFamily"))


_MetricFamily = _message_class()
