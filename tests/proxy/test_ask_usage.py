import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.proxy.ask_usage import Asked, AskUsage, ask_usage
from imaxproxy.proxy.json_edit import TOKEN_LIMIT

CHAT = "/v1/chat/completions"
FINAL, CONTINUOUS = AskUsage.FINAL, AskUsage.CONTINUOUS


@pytest.mark.parametrize(
    ("body", "wanted", "expected"),
    [
        (b'{"stream":true}', FINAL, b'{"stream":true,"stream_options":{"include_usage":true}}'),
        (b' {\n "stream": true }\n', FINAL, b' {\n "stream": true ,"stream_options":{"include_usage":true}}\n'),
        (b'{"stream":true,"stream_options":null}', FINAL, b'{"stream":true,"stream_options":{"include_usage":true}}'),
        (b'{"stream_options":{},"stream":true}', FINAL, b'{"stream_options":{"include_usage":true},"stream":true}'),
        (
            b'{"stream_options" : { "x" : 1 },"stream":true}',
            FINAL,
            b'{"stream_options" : { "x" : 1 ,"include_usage":true},"stream":true}',
        ),
        (
            b'{"stream_options":{"include_usage" : false , "x":1},"stream":true}',
            FINAL,
            b'{"stream_options":{"include_usage" : true , "x":1},"stream":true}',
        ),
        (
            b'{"stream_options":{"include_usage":null},"stream":true}',
            CONTINUOUS,
            b'{"stream_options":{"include_usage":true,"continuous_usage_stats":true},"stream":true}',
        ),
        (
            b'{"stream_options":{"include_usage":true},"stream":true}',
            CONTINUOUS,
            b'{"stream_options":{"include_usage":true,"continuous_usage_stats":true},"stream":true}',
        ),
        (
            b'{"stream":true}',
            CONTINUOUS,
            b'{"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}}',
        ),
        # twins: parsers keep the last
        (
            b'{"stream_options":{"include_usage":true},"stream":true,"stream_options":{"include_usage":false}}',
            FINAL,
            b'{"stream_options":{"include_usage":true},"stream":true,"stream_options":{"include_usage":true}}',
        ),
        # what no parser of ours would write again as it was
        (
            b'{"seed":123456789012345678901234567890,"t":1.0e0,"m":"\\u00e9\\/","a":1,"a":2,"stream":true}',
            FINAL,
            b'{"seed":123456789012345678901234567890,"t":1.0e0,"m":"\\u00e9\\/","a":1,"a":2,"stream":true,'
            b'"stream_options":{"include_usage":true}}',
        ),
        (
            b'{"messages":[{"content":"\\"stream_options\\":{} {[,:"}],"stream":true}',
            FINAL,
            b'{"messages":[{"content":"\\"stream_options\\":{} {[,:"}],"stream":true,'
            b'"stream_options":{"include_usage":true}}',
        ),
    ],
)
def test_no_byte_changes_that_need_not(body: bytes, wanted: AskUsage, expected: bytes) -> None:
    asked = ask_usage(CHAT, body, wanted)
    assert asked.body == expected
    assert asked.usage is True
    assert ask_usage(CHAT, asked.body, wanted) == Asked(asked.body, usage=True)  # asked once is enough


@pytest.mark.parametrize(
    "body",
    [
        b'{"stream":false}',
        b"{}",
        b'{"stream":1}',
        b'{"stream":true,"stream":false}',
        b"[true]",
        b"nonsense",
        b'{"stream":true,"stream_options":7}',
        b"",
    ],
)
def test_what_is_no_stream_or_no_request_stays(body: bytes) -> None:
    assert ask_usage(CHAT, body, CONTINUOUS) == Asked(body)


def test_options_behind_too_many_brackets_stay() -> None:
    body = b'{"x":[' + b"[]," * TOKEN_LIMIT + b'[]],"stream":true,"stream_options":{"include_usage":%b}}'
    for said in (True, False):
        unread = body % str(said).lower().encode()
        assert ask_usage(CHAT, unread, CONTINUOUS) == Asked(unread, usage=said)


def test_what_was_changed_is_named() -> None:
    assert ask_usage(CHAT, b'{"stream":true}', CONTINUOUS).mutated == [
        "stream_options.include_usage",
        "stream_options.continuous_usage_stats",
    ]
    both = b'{"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}}'
    assert ask_usage(CHAT, both, CONTINUOUS).mutated is None


def test_elsewhere_usage_comes_unasked() -> None:
    body = b'{"stream":true}'
    for path in ("/v1/responses", "/v1/messages", "/v1/embeddings", "/v1/models"):
        assert ask_usage(path, body, FINAL) == Asked(body)


def test_without_the_option_nothing_is_changed_and_little_is_looked_at() -> None:
    for body, usage in ((b'{"stream_options":{"include_usage" : true}}', True), (b'{"stream":true}', False)):
        assert ask_usage(CHAT, body, None) == Asked(body, usage=usage)
    quoted = b'{"messages":[{"content":"\\"include_usage\\": true"}]}'
    assert ask_usage(CHAT, quoted, None).usage is False


@given(
    st.dictionaries(
        st.sampled_from(["a", "stream_options", "é", '"']), st.none() | st.integers() | st.text(), max_size=4
    ),
    st.none() | st.dictionaries(st.sampled_from(["x", "include_usage"]), st.none() | st.booleans()),
    st.sampled_from([None, 1]),
)
def test_parsers_find_what_was_there_and_the_question(
    members: dict[str, object], options: dict[str, object] | None, indent: int | None
) -> None:
    request = {**members, "stream_options": options, "stream": True}
    asked = ask_usage(CHAT, json.dumps(request, indent=indent).encode(), CONTINUOUS)
    wanted = {**(options or {}), "include_usage": True, "continuous_usage_stats": True}
    assert json.loads(asked.body) == {**request, "stream_options": wanted}
