"""Every spec that ships, held to the bytes that it made when this was written."""

from hashlib import sha256
from pathlib import Path

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.traces import canonical_line
from imaxproxy.traces.generate import load_spec, shipped_specs

DIGESTS = {
    "agent-coding": "7507b80d4c7f8d8a",
    "agent-reasoning": "b69b32f143bac6ad",
    "agent-subagents": "df2df2b7f037563b",
    "cancellations": "8c36f2536f5617de",
    "chat-multiturn": "e2af63c7767a22d5",
    "clients-r1": "bb1f1c46d3edac54",
    "fixed-1k1k": "ce8d87c989350ac0",
    "fixed-1k8k": "b0d06508bdd5ec7b",
    "fixed-8k1k": "da608596d3cfe2c6",
    "lengths-azure-code": "a4947f4650c9feda",
    "lengths-azure-conv": "03f8133e06220de6",
    "lengths-mooncake-conv": "df0e4b20f9cd8cd2",
    "reasoning-efforts": "95bae06022d9add4",
    "reasoning-r1-chat": "f10bbbb1c93e6774",
    "reasoning-r1": "2d994c87c4bc3e4d",
    "shared-prefix": "9c029d87679612ec",
}
"""Of the canonical rows at the spec's own seed; a change here is a change of every user's workload."""


@pytest.mark.parametrize("path", shipped_specs(), ids=lambda path: path.stem)
def test_makes_the_bytes_it_made(path: Path) -> None:
    made = sha256(b"".join(map(canonical_line, load_spec(path).rows()))).hexdigest()
    assert made.startswith(DIGESTS[path.stem])


def test_another_seed_is_another_trace() -> None:
    assert list(load_spec("fixed-1k1k", seed=1).rows()) != list(load_spec("fixed-1k1k", seed=2).rows())


@pytest.mark.parametrize("path", shipped_specs(), ids=lambda path: path.stem)
def test_more_of_a_workload_are_the_same_requests_and_more(path: Path) -> None:
    """Which is what `workload_sha256` says of two loads."""
    spec = load_spec(path)
    amount = next(name for name in ("concurrency", "conversations", "requests") if name in spec.settings)
    twice = load_spec(path, changes={amount: 2 * spec.settings[amount]})
    more = {row.request_id: canonical_line(row) for row in twice.rows()}
    rows = {row.request_id: canonical_line(row) for row in spec.rows()}
    assert rows.items() < more.items()
    assert twice.workload_sha256() == spec.workload_sha256()
    assert load_spec(path, seed=spec.seed + 1).workload_sha256() != spec.workload_sha256()


def test_another_length_is_another_workload() -> None:
    assert load_spec("fixed-1k1k").workload_sha256() != load_spec("fixed-1k8k").workload_sha256()


def test_a_range_ratio_bounds_the_lengths() -> None:
    """InferenceMAX's 1k/1k: lengths from 80 % of 1,024 up to all of it, ten prompts a stream, two warm-ups a stream."""
    rows = list(load_spec("fixed-1k1k", changes={"concurrency": 4}).rows())
    lengths = [row.input_length or 0 for row in rows]
    assert len(rows) == 4 * (10 + 2)
    assert 819 <= min(lengths) <= max(lengths) <= 1024


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("kind = ", "TOML"),
        ('kind = "poem"', "kind"),
        ('kind = "lengths"\nsurprise = 1', ""),
    ],
)
def test_a_wrong_spec_is_named(tmp_path: Path, text: str, names: str) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=f"spec.toml.*{names}"):
        load_spec(path)


def test_a_spec_that_is_not_there_lists_those_that_ship() -> None:
    with pytest.raises(UsageError, match="reasoning-r1"):
        load_spec("gone")
