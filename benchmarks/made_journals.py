"""Journals as the workers of a long run leave them, made without playing it."""

import random
from pathlib import Path

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.metrics import HealthSample
from imaxproxy.runs import Manifest, RunDirectory
from imaxproxy.runs.shift import line_of

_MADE = 499
"""Answers are taken from so many in turn: drawing each would take longer than what is measured."""
_IN_FLIGHT = 256
_FAILED, _SEVERAL_TOKENS = 0.01, 0.05


def make_run(path: Path, events: int, workers: int, events_each: int = 500, seed: int = 0) -> RunDirectory:
    """A closed loop of 256 streams a worker; TTFT about 100 ms, an event about each 10 ms, to the ns.

    One request in 100 is refused; in one of 20 every fourth event holds two tokens, as speculative decoding does it.
    """
    path.mkdir(parents=True)
    run = RunDirectory(path)
    for worker in range(workers):
        _write_journal(run, worker, events // workers, events_each, random.Random(seed + worker))
    clock = {"source": "CLOCK_MONOTONIC", "monotonic_ns": NS_PER_S, "unix_s": 1.8e9}
    settings = {"seed": seed, "slo": "ttft_ms<500,tpot_ms<50", "workers": workers}
    Manifest("replay", [], settings, ended="finished", clock=clock).write(run)
    return run


def _write_journal(run: RunDirectory, worker: int, events: int, events_each: int, rng: random.Random) -> None:
    answers = [_answer(events_each, rng) for _ in range(_MADE)]
    free_ns = [NS_PER_S + rng.randrange(NS_PER_S) for _ in range(_IN_FLIGHT)]
    with run.journal(worker).open("wb") as file:
        for number in range(events // events_each):
            slot = number % _IN_FLIGHT
            sent_ns = free_ns[slot]
            head = (
                f'{{"request_id":"{worker}-{number}","path":"/v1/chat/completions","started_ns":{sent_ns - 60_000},'
                f'"sent_ns":{sent_ns},"scheduled_ns":{sent_ns - 90_000},"dialect":"chat","planned_input_tokens":1000,'
                f'"planned_output_tokens":{events_each},'
            )
            if rng.random() < _FAILED:
                ended_ns = sent_ns + 5 * NS_PER_MS
                rest = (
                    f'"outcome":"failed","ending":"error_answer","ended_ns":{ended_ns},"streamed":false,"status":429,'
                )
                rest += '"error":"http_429","usage":{},"counted_by":"events"}\n'
            else:
                ttft_ns = round(rng.gammavariate(20, 5) * NS_PER_MS)
                gaps, marks, last_ns, tokens = answers[rng.randrange(_MADE)]
                first_ns = sent_ns + ttft_ns
                ended_ns = first_ns + last_ns + 100_000
                rest = (
                    f'"outcome":"completed","ending":"complete","ended_ns":{ended_ns},"streamed":true,"status":200,'
                    f'"first_byte_ns":{first_ns - 200_000},"first_event_ns":{first_ns - 100_000},"model":"m",'
                    f'"finish_reason":"stop","usage":{{"input_tokens":1000,"output_tokens":{tokens}}},'
                    f'"counted_by":"usage","first_token_ns":{first_ns},"gaps_ns":{gaps},"marks":{marks},'
                    '"coalesced_events":0}\n'
                )
            file.write((head + rest).encode())
            free_ns[slot] = ended_ns + rng.randrange(NS_PER_MS)
    with run.meter(worker).open("wb") as file:
        for second in range(1, max(free_ns) // NS_PER_S):
            sample = HealthSample(worker, second * NS_PER_S, NS_PER_S, NS_PER_S // 2, {rng.randrange(300): 51})
            file.write(line_of(sample.as_dict()))


def _answer(events: int, rng: random.Random) -> tuple[str, str, int, int]:
    """Gaps and marks as JSON has them, time from the first to the last event, and tokens."""
    gaps_ns = [round(rng.gammavariate(20, 0.5) * NS_PER_MS) for _ in range(events - 1)]
    if rng.random() < _SEVERAL_TOKENS:
        marks = ",".join('["c",1,3],["c",2,1]' for _ in range(events // 4)) + f',["c",1,{events % 4}]' * bool(
            events % 4
        )
        tokens = events + events // 4
    else:
        marks, tokens = f'["c",1,{events}]', events
    return str(gaps_ns).replace(" ", ""), f"[{marks}]", sum(gaps_ns), tokens
