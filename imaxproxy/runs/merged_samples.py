"""Power and engine metrics of several machines as one run's: each device and each engine from one machine only."""

from collections.abc import Iterator, Sequence
from heapq import merge
from pathlib import Path
from typing import Any

from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.shift import SAMPLE_TIMES, Row, line_of, rows_of, shifted

Part = tuple[RunDirectory, str, int]
"""A machine's run, its name, and by how many ns its times move."""
PowerPart = tuple[Path, str | None, int]
"""The same of its `power.jsonl`; None for a name: what is no board has its machine's before it already."""
_OF_GPUS = ("board", "module")


def merged_power(parts: Sequence[PowerPart]) -> Iterator[bytes]:
    """`power.jsonl` in the order of time. A board that two machines sampled, over the network or because two nodes are
    one machine, is the first one's that counts it as the engine's; else the first one's.

    What is no board (a host's CPUs) has the same name on every host, and gets the host's before it where one is given.
    """
    named = [_names(path, host) for path, host, _ in parts]
    owners: dict[str, int] = {}
    for number, (names, counted) in enumerate(named):
        for device, name in names.items():
            if name not in owners or (device in counted and not _counts(named[owners[name]], name)):
                owners[name] = number
    streams = []
    for number, ((path, host, by_ns), (names, _)) in enumerate(zip(parts, named, strict=True)):
        own = {device: name for device, name in names.items() if owners[name] == number}
        streams.append(_power_rows(path, host, own, names, by_ns))
    for row in merge(*streams, key=lambda row: int(row.get("time_ns", 0))):
        yield line_of(row)


def _names(path: Path, host: str | None) -> tuple[dict[str, str], set[str]]:
    """What each of a file's devices is called among those of all, and which the machine counts as the engine's."""
    names: dict[str, str] = {}
    counted: set[str] = set()
    for row in rows_of(path):
        if row.get("type") == "device":
            device = str(row["device"])
            is_alone = host is None or row.get("boundary") in _OF_GPUS
            names[device] = device if is_alone else f"{host}:{device}"
            known = row.get("counted", True) and row.get("counted_by") is not None
            (counted.add if known else counted.discard)(device)  # a later line of a device replaces the earlier one
    return names, counted


def _counts(named: tuple[dict[str, str], set[str]], name: str) -> bool:
    names, counted = named
    return any(names[device] == name for device in counted)


def own_power(run: RunDirectory, host: str, by_ns: int) -> Iterator[bytes]:
    """One machine's `power.jsonl`, moved; a device that others may be called like too gets the host's name before it.

    That is all but the boards, and simulated boards, which are called alike in every engine.
    """
    rows = list(rows_of(run.power))
    names = {
        str(row["device"]): f"{host}:{row['device']}"
        for row in rows
        if row.get("type") == "device" and (row.get("boundary") not in _OF_GPUS or row.get("simulated"))
    }
    for row in rows:
        for key in ("device", "parent"):
            if row.get(key) in names:
                row[key] = names[row[key]]
        yield line_of(shifted(row, SAMPLE_TIMES, by_ns))


def _power_rows(path: Path, host: str | None, own: dict[str, str], names: dict[str, str], by_ns: int) -> Iterator[Row]:
    """A machine's rows of its own devices, renamed and moved. Rows of all of a source are kept where it owns any."""
    for row in rows_of(path):
        device = row.get("device")
        if device is not None and str(device) in names and str(device) not in own:
            continue
        if device is None and not own:
            continue
        if device is not None:
            row["device"] = own.get(str(device), str(device))
        if row.get("parent") in own:
            row["parent"] = own[row["parent"]]
        if row.get("type") == "device" and host is not None:
            row.setdefault("host", host)
        yield shifted(row, SAMPLE_TIMES, by_ns)


def merged_metrics(parts: Sequence[Part]) -> Iterator[bytes]:
    """`engine_metrics.jsonl`: a head with all engines, then each one's samples, as the first machine took them."""
    heads: list[tuple[RunDirectory, int, dict[str, Any]]] = []
    for run, _, by_ns in parts:
        if (head := next(rows_of(run.engine_metrics), None)) is not None:
            heads.append((run, by_ns, head))
    if not heads:
        return
    owned: list[set[str]] = []
    sources: list[Any] = []
    for _, _, head in heads:
        known = {source["url"] for source in sources}
        fresh = [source for source in head["sources"] if source["url"] not in known]
        sources += fresh
        owned.append({source["url"] for source in fresh})
    yield line_of(heads[0][2] | {"sources": sources})
    streams = [_metric_rows(run, urls, by_ns) for (run, by_ns, _), urls in zip(heads, owned, strict=True) if urls]
    for row in merge(*streams, key=lambda row: int(row["time_ns"])):
        yield line_of(row)


def _metric_rows(run: RunDirectory, urls: set[str], by_ns: int) -> Iterator[Row]:
    for number, row in enumerate(rows_of(run.engine_metrics)):
        if number and row.get("url") in urls:
            yield shifted(row, SAMPLE_TIMES, by_ns)
