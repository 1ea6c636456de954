import itertools

from runs.made_run import ZERO_NS, answered, refused

from imaxproxy.metrics import Exchange
from imaxproxy.report.content.waterfall import WaterfallBuilder


def built(exchanges: list[Exchange], **limits: int) -> WaterfallBuilder:
    builder = WaterfallBuilder(**limits)
    for exchange in exchanges:
        builder.add(exchange)
    return builder


def test_a_bar_has_the_times_of_its_request() -> None:
    bar = built([answered(1.0, [10, 30], ttft_ms=50)]).close(ZERO_NS).bars[0]
    assert (bar.scheduled_ms, bar.sent_ms, bar.first_token_ms, bar.first_answer_ms) == (998, 1000, 1050, 1060)
    assert bar.ended_ms == 1091
    assert (bar.input_tokens, bar.output_tokens, bar.outcome, bar.finish_reason) == (10, 3, "completed", "stop")
    assert bar.tps_per_user == 50


def test_a_few_requests_are_all_there_by_their_send() -> None:
    found = built([answered(2.0), answered(0.0), refused(1.0)]).close(ZERO_NS)
    assert [bar.sent_ms for bar in found.bars] == [0, 1000, 2000]
    assert found.of == 3
    assert "failed" in found.bars[1].kept_for


def test_of_many_an_even_sample_the_slowest_and_the_failed_are_kept() -> None:
    exchanges = [answered(at / 10, [at]) for at in range(1000)]
    exchanges[777] = refused(77.7)
    found = built(exchanges, evenly=16, slowest=5, failed=4).close(ZERO_NS)
    assert found.of == 1000
    even = [round(bar.sent_ms / 100) for bar in found.bars if "evenly" in bar.kept_for]
    assert 8 <= len(even) <= 16
    assert {b - a for a, b in itertools.pairwise(even)} == {even[1] - even[0]}  # equally far apart
    slowest = [round(bar.sent_ms / 100) for bar in found.bars if "slowest" in bar.kept_for]
    assert slowest == [995, 996, 997, 998, 999]
    assert [bar.sent_ms for bar in found.bars if "failed" in bar.kept_for] == [77_700]
    assert len(found.bars) <= 16 + 5 + 4


def test_failures_without_end_stay_few() -> None:
    found = built([refused(at / 10) for at in range(500)], evenly=10, slowest=3, failed=6).close(ZERO_NS)
    assert sum("failed" in bar.kept_for for bar in found.bars) <= 6
