from pathlib import Path

from imaxproxy.metrics import WARMUP, Ask, Exchange, Outcome, Usage
from imaxproxy.runs import Journal, RunDirectory, read_journal, summarize
from imaxproxy.runs.cache_warmup import CacheWarmup

S = 1_000_000_000


def exchange(name: str, at_s: int, outcome: Outcome = Outcome.COMPLETED, kind: str | None = WARMUP) -> Exchange:
    ask = Ask(name, "/v1/completions", at_s * S, sent_ns=at_s * S, dialect="completions", kind=kind)
    return Exchange(ask, outcome, (at_s + 2) * S, usage=Usage(input_tokens=1000, output_tokens=1))


def test_what_filled_caches_is_counted_apart() -> None:
    warmup = CacheWarmup()
    assert warmup.stats() is None
    for each in (exchange("a", 3), exchange("b", 1, Outcome.FAILED)):
        warmup.add(each)
    assert warmup.stats() == {
        "requests": 2,
        "completed": 1,
        "failed": 1,
        "input_tokens": 2000,
        "duration_s": 4.0,
    }


def test_it_stands_in_the_journal_and_in_no_figure(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    journal = Journal(run)
    for each in (exchange("w", 1, Outcome.FAILED), exchange("a", 10, kind=None)):
        journal.add(each)
    journal.close()
    assert [each.ask.request_id for each in read_journal(run)] == ["a"]
    summary = summarize(run)
    assert summary["requests"]["sent"] == 1
    assert (summary["duration_s"], summary["tokens"]["input"]) == (2.000000001, 1000)
    assert summary["cache_warmup"]["failed"] == 1
