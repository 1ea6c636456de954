from imaxproxy.metrics import ANSWER, REASONING, Ask, CountedBy, Exchange, Outcome, Timeline, Usage, mark

ASK = Ask("r", "/v1/completions", 0)
EVENTS = Timeline([1, 2, 3], [mark(REASONING, 2), mark(REASONING, 1), mark(ANSWER, 4)])


def exchange(usage: Usage, timeline: Timeline) -> Exchange:
    return Exchange(ASK, Outcome.COMPLETED, 9, usage=usage, timeline=timeline, counted_by=CountedBy.USAGE)


def test_the_engine_knows_best_how_many_tokens_came() -> None:
    assert exchange(Usage(output_tokens=9), EVENTS).output_tokens == 9
    assert exchange(Usage(output_tokens=0), EVENTS).output_tokens == 0
    assert exchange(Usage(), EVENTS).output_tokens == 7
    assert exchange(Usage(), Timeline([1], [mark(ANSWER, 0)], counted=False)).output_tokens is None
    assert Exchange(ASK, Outcome.FAILED, 9).output_tokens is None


def test_vllm_says_0_reasoning_tokens_without_a_parser_and_then_the_events_count() -> None:
    assert exchange(Usage(reasoning_tokens=5), EVENTS).reasoning_tokens == 5
    assert exchange(Usage(reasoning_tokens=0), EVENTS).reasoning_tokens == 3
    assert exchange(Usage(), EVENTS).reasoning_tokens == 3
    assert exchange(Usage(reasoning_tokens=0), Timeline(counted=False)).reasoning_tokens == 0
    assert exchange(Usage(), Timeline(counted=False)).reasoning_tokens is None
