from imaxproxy.sim import Limits, ReplyShape, parse_request
from imaxproxy.sim.event_text import CompletionText
from imaxproxy.sim.reply import StreamedReply
from imaxproxy.sim.truth import TruthRecord

LIMITS = Limits(model="tiny", context_tokens=100, kv_tokens=100, default_output_tokens=10)


def test_a_reader_that_left_ends_its_own_stream_and_no_other() -> None:
    """uvloop raises on a closed connection; the engine's step, which all streams share, must not hear of it."""
    request = parse_request(b'{"prompt": "a", "max_tokens": 5, "stream": true}', "completions", LIMITS)
    written: list[bytes] = []
    ends: list[str] = []

    def write(data: bytes) -> None:
        if len(written) == 2:
            raise RuntimeError("the handler is closed")
        written.append(data)

    record, text = TruthRecord(), CompletionText(request, "cmpl-1", 0, "tiny", "reasoning")
    reply = StreamedReply(request, text, ReplyShape(), write, record, lambda: ends.append("end"))
    for planned_ns in range(5):
        reply.token(planned_ns)
    assert (len(written), ends, record.events[3::4].tolist()) == (2, ["end"], [1, 1])
