"""The figures of a GuideLLM benchmark: some thirty distributions, each of successful, errored, incomplete and all."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from imaxproxy.runs.exports.guidellm.distribution import Array, Json, Window, of_concurrency, of_rates, of_values
from imaxproxy.runs.exports.guidellm.request import STATUSES, Request

_NO_SUMMARY = dict.fromkeys(
    f"{what}{how}" for what in ("input", "output", "total") for how in ("", "_per_second", "_concurrency")
)
_NONE_OF_THESE = {
    "image": ("tokens", "images", "pixels", "bytes"),
    "video": ("tokens", "frames", "seconds", "bytes"),
    "audio": ("tokens", "samples", "seconds", "bytes"),
    "tool_call": ("tokens", "mixed_tokens", "count"),
}
Figure = Callable[[Request], float | None]
Weighted = Callable[[Request], tuple[float, float]]
Timed = tuple[Array, Array]
"""Unix seconds, and the weight of each."""


class Metrics:
    """Of the requests of one run, all of them: it has neither warm-up nor cool-down."""

    def __init__(self, requests: Sequence[Request], window: Window, *, scheduled: bool) -> None:
        """scheduled: the load had a schedule of its own, so that lateness means something."""
        self._requests, self._window, self._scheduled = requests, window, scheduled

    def as_json(self) -> Json:
        return (
            {"request_totals": totals(self._requests)}
            | self._of_requests()
            | self._of_schedule()
            | self._of_tokens()
            | self._of_token_times()
            | self._of_token_rates()
            | self._of_kinds()
            | {"turns": self._turns()}
            | {"slo_attainment": None, "slo_determined_requests": 0, "request_goodput": None}
        )

    def _of_requests(self) -> Json:
        def concurrency(requests: Sequence[Request]) -> Json:
            starts, ends = _floats(each.request_start for each in requests), _ends(requests)
            return of_concurrency(starts, ends, window=self._window)

        return {
            "requests_per_second": _by_status(self._requests, lambda found: of_rates(_ends(found), None, self._window)),
            "request_concurrency": _by_status(self._requests, concurrency),
            "request_latency": self._each(lambda each: each.request_latency),
            "request_streaming_iterations_count": self._each(lambda each: each.iterations),
            "time_to_last_round_trip_ms": self._each(lambda each: None),
            "avg_round_trip_time_ms": self._each(lambda each: None),
        }

    def _of_schedule(self) -> Json:
        names = (
            "request_dispatch_delay",
            "request_scheduled_latency",
            "turn_predecessor_delay",
            "turn_scheduling_delay",
        )
        firsts = [each.request_dispatch_delay for each in self._requests if each.turn_index == 0]
        delays = _floats(delay for delay in firsts if delay is not None)
        root = of_values(delays) if len(delays) else None
        if not self._scheduled:
            return dict.fromkeys(names) | {"root_dispatch_delay": root}
        planned = [each for each in self._requests if each.targeted_start is not None]
        delay = _each(planned, lambda each: each.request_dispatch_delay)
        latency = _each(planned, lambda each: each.request_scheduled_latency)
        none = _each(planned, lambda each: 0.0)
        return dict(zip(names, (delay, latency, none, delay), strict=True)) | {"root_dispatch_delay": root}

    def _of_tokens(self) -> Json:
        return {
            "prompt_token_count": self._each(lambda each: each.prompt_tokens),
            "output_token_count": self._each(lambda each: each.output_tokens),
            "total_token_count": self._each(lambda each: each.total_tokens),
        }

    def _of_token_times(self) -> Json:
        answered = [each for each in self._requests if each.first_output_token is not None]
        return {
            "time_to_first_token_ms": _ttft(self._requests),
            "time_to_first_output_token_ms": _each(answered, lambda each: each.time_to_first_output_token_ms),
            "time_per_output_token_ms": _weighted(
                self._requests, lambda each: (each.time_per_output_token_ms or 0.0, each.output_tokens or 0.0)
            ),
            "inter_token_latency_ms": _itl(self._requests),
        }

    def _of_token_rates(self) -> Json:
        window = self._window

        def prompts(requests: Sequence[Request]) -> Timed:
            times = _floats(each.request_end if each.first_token is None else each.first_token for each in requests)
            return times, _floats(each.prompt_tokens for each in requests)

        def both(requests: Sequence[Request]) -> Timed:
            return _joined([prompts(requests), output_timings(requests)])

        def rates(timed: Callable[[Sequence[Request]], Timed]) -> Json:
            return _by_status(self._requests, lambda requests: of_rates(*timed(requests), window))

        return {
            "prompt_tokens_per_second": rates(prompts),
            "output_tokens_per_second": rates(output_timings),
            "tokens_per_second": rates(both),
            "output_tokens_per_iteration": _by_status(
                self._requests, lambda found: of_values(output_timings(found)[1])
            ),
            "iter_tokens_per_iteration": _by_status(self._requests, lambda found: of_values(later_timings(found)[1])),
        }

    def _of_kinds(self) -> Json:
        text = {"tokens": self._text_tokens(), "words": _NO_SUMMARY, "characters": _NO_SUMMARY}
        others = {kind: dict.fromkeys(units, _NO_SUMMARY) for kind, units in _NONE_OF_THESE.items()}
        return {"text": text} | others

    def _text_tokens(self) -> Json:
        """Rates and concurrency here count a request's tokens as if all came with its end, and all the while."""
        known = [each for each in self._requests if each.prompt_tokens is not None or each.counted_tokens is not None]
        figures: dict[str, tuple[Figure, ...]] = {
            "input": (lambda each: each.prompt_tokens,),
            "output": (lambda each: each.counted_tokens,),
            "total": (lambda each: each.prompt_tokens, lambda each: each.counted_tokens),
        }
        made: Json = dict(_NO_SUMMARY)
        for name, wanted in figures.items():
            if all(any(figure(each) is not None for each in known) for figure in wanted):
                made |= _summary_of(name, known, wanted)
        return made

    def _turns(self) -> list[Json] | None:
        """By place in the conversation; None where each has one request only."""
        places = sorted({each.turn_index for each in self._requests})
        if places == [0]:
            return None
        return [_turn(place, [each for each in self._requests if each.turn_index == place]) for place in places]

    def _each(self, figure: Figure) -> Json:
        return _each(self._requests, figure)


def totals(requests: Sequence[Request]) -> dict[str, int]:
    counts = {status: sum(each.status == status for each in requests) for status in STATUSES}
    return counts | {"total": len(requests)}


def output_timings(requests: Sequence[Request]) -> Timed:
    """When output tokens came: one with the first event, the others evenly over evenly spaced events.

    So GuideLLM has it, which keeps no event's time but the first one's and the last one's. All at the end where there
    is but one event.
    """
    firsts = _floats(_only_time(each) if each.iterations <= 1 else each.first_token for each in requests)
    weights = _floats(
        each.output_tokens if each.iterations <= 1 else float(bool(each.output_tokens)) for each in requests
    )
    return _joined([(firsts, weights), later_timings(requests)])


def later_timings(requests: Sequence[Request]) -> Timed:
    """Those of all events but the first."""
    made: list[Timed] = [(np.empty(0), np.empty(0))]
    for each in requests:
        share = each.iter_tokens_per_iteration
        if share is not None and each.first_token is not None and each.last_token is not None:
            times = np.linspace(each.first_token, each.last_token, num=each.iterations)[1:]
            made.append((times, np.full(len(times), share)))
    return _joined(made)


def _only_time(each: Request) -> float:
    return each.request_end if each.last_token is None else each.last_token


def _ttft(requests: Sequence[Request]) -> Json:
    begun = [each for each in requests if each.first_token is not None]
    return _each(begun, lambda each: each.time_to_first_token_ms)


def _itl(requests: Sequence[Request]) -> Json:
    """Weighted by the tokens behind the first."""
    return _weighted(requests, lambda each: (each.inter_token_latency_ms or 0.0, (each.output_tokens or 1.0) - 1.0))


def _turn(place: int, requests: Sequence[Request]) -> Json:
    return {
        "turn_index": place,
        "request_totals": totals(requests),
        "request_latency": _each(requests, lambda each: each.request_latency),
        "prompt_token_count": _each(requests, lambda each: each.prompt_tokens),
        "time_to_first_token_ms": _ttft(requests),
        "inter_token_latency_ms": _itl(requests),
    }


def _summary_of(name: str, known: Sequence[Request], wanted: Sequence[Figure]) -> Json:
    def values(requests: Sequence[Request]) -> Json:
        found = (figure(each) for figure in wanted for each in requests)
        return of_values(_floats(value for value in found if value is not None))

    def times(requests: Sequence[Request]) -> tuple[Array, Array, Array]:
        repeated = [each for _ in wanted for each in requests]
        weights = _floats(figure(each) for figure in wanted for each in requests)
        return _floats(each.request_start for each in repeated), _ends(repeated), weights

    return {
        name: _by_status(known, values),
        f"{name}_per_second": _by_status(known, lambda requests: of_rates(*times(requests)[1:])),
        f"{name}_concurrency": _by_status(known, lambda requests: of_concurrency(*times(requests))),
    }


def _by_status(requests: Sequence[Request], made: Callable[[Sequence[Request]], Json]) -> Json:
    parts = {status: [each for each in requests if each.status == status] for status in STATUSES}
    together = [each for status in ("successful", "incomplete", "errored") for each in parts[status]]
    return {status: made(part) for status, part in parts.items()} | {"total": made(together)}


def _each(requests: Sequence[Request], figure: Figure) -> Json:
    """A value a request; what is not known counts as 0, as there."""
    return _by_status(requests, lambda found: of_values(_floats(map(figure, found))))


def _weighted(requests: Sequence[Request], figure: Weighted) -> Json:
    def made(found: Sequence[Request]) -> Json:
        pairs = [figure(each) for each in found]
        return of_values(_floats(value for value, _ in pairs), _floats(weight for _, weight in pairs))

    return _by_status(requests, made)


def _ends(requests: Iterable[Request]) -> Array:
    return _floats(each.request_end for each in requests)


def _floats(values: Iterable[float | None]) -> Array:
    return np.fromiter((value or 0.0 for value in values), float)


def _joined(parts: Sequence[Timed]) -> Timed:
    return np.concatenate([times for times, _ in parts]), np.concatenate([weights for _, weights in parts])
