"""The metric definitions, one function each. `docs/metrics.md` says the same in words.

All take an Exchange and give nanoseconds or tokens/s; None where the metric has no meaning for it.
"""

from collections.abc import Iterator
from itertools import compress, pairwise

from imaxproxy.clock import NS_PER_S, NS_PER_US
from imaxproxy.metrics.ending import Outcome
from imaxproxy.metrics.exchange import Exchange
from imaxproxy.metrics.timeline import Timeline


def ttfb_ns(exchange: Exchange) -> int | None:
    """Time to first byte: the read that completed the response's head - t_send."""
    return _since(exchange.ask.sent_ns, exchange.first_byte_ns)


def ttfe_ns(exchange: Exchange) -> int | None:
    """Time to first event: the first with data, a role or `response.created` too - t_send."""
    return _since(exchange.ask.sent_ns, exchange.first_event_ns)


def ttft_ns(exchange: Exchange) -> int | None:
    """Time to first token: first token event (reasoning, answer or tool) - t_send."""
    return _since(exchange.ask.sent_ns, _first(exchange.timeline))


def ttft_from_schedule_ns(exchange: Exchange) -> int | None:
    """First token event - t_schedule: what a user felt who came when the schedule says."""
    return _since(exchange.ask.scheduled_ns, _first(exchange.timeline))


def ttfo_ns(exchange: Exchange) -> int | None:
    """Time to first output token (AIPerf's name): first answer or tool event - t_send."""
    return _since(exchange.ask.sent_ns, exchange.timeline.first_output_ns())


def e2e_ns(exchange: Exchange) -> int | None:
    """Last token event - t_send, of completed exchanges; of an answer that was not streamed, its last byte - t_send."""
    return _since(exchange.ask.sent_ns, _last_ns(exchange))


def e2e_from_schedule_ns(exchange: Exchange) -> int | None:
    """As `e2e_ns`, from t_schedule."""
    return _since(exchange.ask.scheduled_ns, _last_ns(exchange))


def send_lag_ns(exchange: Exchange) -> int | None:
    """t_send - t_schedule: how late the meter was, connect time included."""
    return _since(exchange.ask.scheduled_ns, exchange.ask.sent_ns)


def tpot_ns(exchange: Exchange) -> float | None:
    """Time per output token after the first event.

        TPOT = (t_last - t_first) / (tokens - tokens of the first event)

    None when one event held all tokens (no gap was seen) or the tokens are not known.
    """
    timeline = exchange.timeline
    if len(timeline) < 2 or not timeline.counted:
        return None
    later_tokens = timeline.total_tokens - timeline.tokens_between(0, 1)
    return (timeline.last_ns - timeline.first_ns) / later_tokens if later_tokens > 0 else None


def tps_per_user(exchange: Exchange) -> float | None:
    """Tokens/s as one user sees them come: 1/TPOT, InferenceMAX's interactivity."""
    tpot = tpot_ns(exchange)
    return NS_PER_S / tpot if tpot else None


def e2e_tps_per_user(exchange: Exchange) -> float | None:
    """Output tokens / E2E: waiting for the first token included."""
    duration_ns, tokens = e2e_ns(exchange), exchange.output_tokens
    return tokens * NS_PER_S / duration_ns if duration_ns and tokens else None


def event_gaps_us(timeline: Timeline) -> list[int]:
    """The time between neighbouring token events as they came, in whole microseconds."""
    return timeline.gaps_us()


def itl_us(timeline: Timeline) -> Iterator[tuple[int, list[int]]]:
    """Inter-token latency, per token: an event of k tokens after a gap g counts k times g/k.

    Yields (k, values) for each k there is: of these values each counts k times. An event that holds no whole token
    (half a character, say) lends its gap to the next one. Nothing when not counted.
    """
    if not timeline.counted:
        return
    tokens, gaps_us = timeline.tokens[1:], timeline.gaps_us()
    if 0 in tokens:
        holds_some = [True, *map(bool, tokens)]  # the first event is where the first gap begins, whatever it holds
        times_ns = list(compress(timeline.times_ns, holds_some))
        gaps_us = [(after - before) // NS_PER_US for before, after in pairwise(times_ns)]
        tokens = list(filter(None, tokens))
    for each in sorted(set(tokens)):
        yield each, [gap_us // each for gap_us, held in zip(gaps_us, tokens, strict=True) if held == each]


def _first(timeline: Timeline) -> int | None:
    return timeline.first_ns if len(timeline) else None


def _last_ns(exchange: Exchange) -> int | None:
    if exchange.outcome is not Outcome.COMPLETED:
        return None  # the end of a cut stream is not the end of its answer
    if not exchange.streamed:
        return exchange.ended_ns
    return exchange.timeline.last_ns if len(exchange.timeline) else None


def _since(start_ns: int | None, end_ns: int | None) -> int | None:
    return None if start_ns is None or end_ns is None else end_ns - start_ns
