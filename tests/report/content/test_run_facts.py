from dataclasses import replace
from pathlib import Path

import pytest
from runs.made_run import make_run, steady_power

from imaxproxy.report.content.run_facts import names_of, run_facts


def test_it_says_what_was_played_and_how_to_play_it_again(tmp_path: Path) -> None:
    record = make_run(
        tmp_path, power=steady_power(every_s=0.1), trace={"path": "a.jsonl", "sha256": "0123456789abcdef"}
    )
    assert record.manifest is not None
    manifest = replace(record.manifest, argv=["/x/bin/imaxproxy", "replay", "a file.jsonl", "--rate", "2"])
    facts = run_facts(replace(record, manifest=manifest), "mine")
    assert facts.again == "imaxproxy replay 'a file.jsonl' --rate 2"
    assert facts.engine["gpu"] == "b200"
    assert facts.trace == "a.jsonl (sha256 0123456789ab)"
    assert facts.requests["failed"] == 1
    assert facts.latencies["ttft_ms"]["p50"] == record.summary["ttft_ms"]["p50"]
    assert facts.energy is not None
    assert facts.energy["energy_j"] == record.summary["energy"]["windows"]["whole"]["energy_j"]
    assert facts.meter_valid == record.summary["meter"]["valid"]


def test_a_run_without_a_manifest_says_nothing_of_it(tmp_path: Path) -> None:
    facts = run_facts(make_run(tmp_path, manifest=False), "mine")
    assert (facts.again, facts.version, facts.host, facts.energy) == (None, None, None, None)
    assert any("killed" in note for note in facts.notes)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/a", "runs/b"], ["a", "b"]),
        (["x/c4", "y/c4", "z"], ["x/c4", "y/c4", "z"]),
        (["p/x/c4", "q/x/c4"], ["p/x/c4", "q/x/c4"]),
        (["a", "a"], ["a", "a"]),
        ([], []),
    ],
)
def test_names_are_short_and_differ(paths: list[str], names: list[str]) -> None:
    assert names_of(paths) == names
