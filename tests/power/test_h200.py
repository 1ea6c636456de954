"""Recorded on an H200 (driver 580.159.04) at 48 ms, loads with known phases; docs/power.md has what was found."""

import gzip
import json
import statistics
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from imaxproxy.clock import NS_PER_S
from imaxproxy.power import Recording, Series, line_of, window_energy
from imaxproxy.power.counter import Counter
from imaxproxy.power.mapping import Mapping
from imaxproxy.power.recorded import import_recording, read_power
from imaxproxy.power.window import BY_AVERAGE, BY_INSTANT, COUNTER

DATA = Path(__file__).parent.parent / "data" / "power"
FACTS: dict[str, Any] = json.loads((DATA / "h200_phases.json").read_text())
PHASES = {phase["kind"]: (phase["start_ns"], phase["end_ns"]) for phase in FACTS["phases"]}
S = NS_PER_S


@pytest.fixture(scope="module")
def board() -> Series:
    lines = gzip.decompress((DATA / "h200.jsonl.gz").read_bytes()).splitlines()
    (series,) = Recording.of(line_of(orjson.loads(line)) for line in lines).series.values()
    return series


def _within(kind: str, length_s: float) -> list[tuple[int, int]]:
    """Windows inside a phase, from 1.2 s after its beginning on."""
    begin_ns, end_ns = PHASES[kind]
    length_ns, at_ns, found = round(length_s * S), begin_ns + round(1.2 * S), []
    while at_ns + length_ns <= end_ns - S // 4:
        found.append((at_ns, at_ns + length_ns))
        at_ns += length_ns // 2
    return found


def test_its_counter_moves_every_100_ms_on_the_hosts_clock(board: Series) -> None:
    rhythm = board.counter.rhythm
    assert rhythm is not None
    assert rhythm.period_ns == 100_000_000
    assert rhythm.doubt_ns < 6_000_000


@pytest.mark.parametrize(
    ("kind", "length_s", "most"),
    [("copy", 5, 0.002), ("decode", 10, 0.01), ("gemm", 5, 0.004), ("gemm", 10, 0.003), ("gemm", 30, 0.001)],
)
def test_counter_and_integrals_agree_within_steady_load(board: Series, kind: str, length_s: float, most: float) -> None:
    for begin_ns, end_ns in _within(kind, length_s):
        found = window_energy([board], begin_ns, end_ns)
        assert found.valid
        assert found.method == COUNTER
        assert abs(found.crosscheck[BY_AVERAGE]) < most
        assert abs(found.crosscheck[BY_INSTANT]) < most


def test_the_instant_channel_is_off_where_load_changes_and_the_counter_is_not(board: Series) -> None:
    """Decoding with a prefill of 0.3 s every 2 s: 2 s windows hold the same work each."""
    windows = [window_energy([board], *window) for window in _within("mixed", 2)]
    assert max(abs(found.crosscheck[BY_INSTANT]) for found in windows) > 0.02
    energies_j = [found.energy_j or 0.0 for found in windows]
    assert statistics.pstdev(energies_j) / statistics.fmean(energies_j) < 0.03


@pytest.mark.parametrize(("kind", "most"), [("gemm", 0.003), ("decode", 0.001), ("copy", 0.006), ("bare_idle", 0.001)])
def test_seconds_of_one_steady_load_differ_by_tenths_of_a_percent(board: Series, kind: str, most: float) -> None:
    energies_j = [window_energy([board], *window).energy_j or 0.0 for window in _within(kind, 1)]
    assert len(energies_j) >= 5
    assert statistics.pstdev(energies_j) / statistics.fmean(energies_j) < most


def test_idle_has_three_levels(board: Series) -> None:
    """Bare, with a CUDA context that holds the clocks up, and after load."""
    watts = {}
    for kind in ("bare_idle", "context_idle", "after_load"):
        begin_ns, end_ns = _within(kind, 2)[0]
        watts[kind] = (window_energy([board], begin_ns, end_ns).energy_j or 0.0) / 2
    assert watts["bare_idle"] == pytest.approx(79.2, abs=0.3)
    assert watts["context_idle"] == pytest.approx(121.8, abs=0.3)
    assert watts["after_load"] == pytest.approx(124.5, abs=0.5)


def test_it_is_held_back_by_its_power_limit_under_matrix_products(board: Series) -> None:
    begin_ns, end_ns = PHASES["gemm"]
    assert (board.throttled_share(begin_ns + S, end_ns) or 0) > 0.9
    assert board.throttled_share(*PHASES["decode"]) == 0
    found = window_energy([board], begin_ns + 2 * S, end_ns - S)
    assert (found.energy_j or 0) / found.duration_s == pytest.approx(691, abs=2)


def test_nvidia_smi_once_a_second_says_the_same_of_a_long_steady_load(
    board: Series, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")  # that machine's zone: the file has none
    time.tzset()
    import_recording(DATA / "h200_nvidia_smi.csv", tmp_path / "p", FACTS["clock"], Mapping(devices="0"))
    monkeypatch.undo()
    time.tzset()
    (smi,) = Recording.of(read_power(tmp_path / "p")).counted
    begin_ns, end_ns = PHASES["gemm"]
    window = (begin_ns + 3 * S, end_ns - 2 * S)
    by_smi, by_counter = window_energy([smi], *window), window_energy([board], *window)
    assert by_smi.energy_j == pytest.approx(by_counter.energy_j, rel=0.002)
    whole = (begin_ns, end_ns)  # with its edges, as InferenceX takes it, a second of lag shows
    error = (window_energy([smi], *whole).energy_j or 0) / (window_energy([board], *whole).energy_j or 1) - 1
    assert 0 < abs(error) < 0.03


@pytest.fixture(scope="module")
def seldom() -> Series:
    """On another machine, by the sampler that reads the counter every 0.7 s."""
    lines = gzip.decompress((DATA / "h200_seldom.jsonl.gz").read_bytes()).splitlines()
    (series,) = Recording.of(line_of(orjson.loads(line)) for line in lines).series.values()
    return series


@pytest.fixture(scope="module")
def dense() -> Counter:
    """Beside it: every move of the same counter, as (read begun, read ended, mJ)."""
    counter = Counter(100.0)
    for begun_ns, ended_ns, energy_mj in json.loads(gzip.decompress((DATA / "h200_dense.json.gz").read_bytes())):
        counter.add(ended_ns, energy_mj, ended_ns - begun_ns)
    return counter


def test_a_counter_that_is_read_seldom_tells_whole_loads_and_steady_seconds(seldom: Series, dense: Counter) -> None:
    assert seldom.counter.rhythm is not None
    assert seldom.counter.rhythm.period_ns == 100_000_000
    phases = {phase["kind"]: (phase["start_ns"], phase["end_ns"]) for phase in reversed(FACTS["seldom_phases"])}
    for kind, most in (("decode", 0.003), ("mixed", 0.006), ("copy", 0.003)):
        found, truth = seldom.counter.between_j(*phases[kind]), dense.between_j(*phases[kind])
        assert found is not None
        assert found == pytest.approx(truth, rel=most), kind
    begin_ns, end_ns = phases["decode"]
    for at_ns in range(begin_ns + S, end_ns - 6 * S, S // 3):
        found, truth = seldom.counter.between_j(at_ns, at_ns + 5 * S), dense.between_j(at_ns, at_ns + 5 * S)
        assert found == pytest.approx(truth, rel=0.004)
