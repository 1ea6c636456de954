"""One flat row a request, for spreadsheets and dataframes: CSV, and Parquet where pyarrow is installed."""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.metrics import Exchange
from imaxproxy.metrics.tally import PER_EXCHANGE_NS, PER_EXCHANGE_RATE
from imaxproxy.runs.exports.facts import Facts
from imaxproxy.runs.record import RunRecord

_BATCH_ROWS = 20_000
_TEXTS = ("request_id", "session_id", "outcome", "ending", "error", "finish_reason", "counted_by", "upstream", "client")
_COUNTS = (
    "status",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "token_events",
    "coalesced_events",
)
COLUMNS = (*_TEXTS, *_COUNTS, "sent_unix_s", *PER_EXCHANGE_NS, *PER_EXCHANGE_RATE, "simulated")


def request_row(record: RunRecord, exchange: Exchange) -> dict[str, Any]:
    """By column; None for what is not known. Times in ms, rates in tokens/s."""
    ask, usage = exchange.ask, exchange.usage
    row: dict[str, Any] = {
        "request_id": ask.request_id,
        "session_id": ask.session_id,
        "outcome": exchange.outcome.value,
        "ending": exchange.ending.value,
        "error": exchange.error,
        "finish_reason": exchange.finish_reason,
        "counted_by": exchange.counted_by.value,
        "upstream": ask.upstream,
        "client": ask.client,
        "status": exchange.status,
        "input_tokens": usage.input_tokens,
        "cached_tokens": usage.cached_tokens,
        "output_tokens": exchange.output_tokens,
        "reasoning_tokens": exchange.reasoning_tokens,
        "token_events": len(exchange.timeline),
        "coalesced_events": exchange.coalesced_events,
        "sent_unix_s": None if ask.sent_ns is None else record.unix_s(ask.sent_ns),
    }
    for name, formula in PER_EXCHANGE_NS.items():
        value_ns = formula(exchange)
        row[name] = None if value_ns is None else value_ns / 1e6
    for name, formula in PER_EXCHANGE_RATE.items():
        row[name] = formula(exchange)
    return row | {"simulated": exchange.simulated or record.simulated}


def write_csv(record: RunRecord, facts: Facts, path: Path) -> tuple[list[Path], list[str]]:
    """An empty cell is what is not known."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(request_row(record, exchange) for exchange in record.exchanges())
    return [path], []


def write_parquet(record: RunRecord, facts: Facts, path: Path) -> tuple[list[Path], list[str]]:
    """Raises UsageError where pyarrow is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError("--format parquet needs pyarrow: pip install 'imaxproxy[parquet]'") from error
    schema = pyarrow.schema([(name, getattr(pyarrow, _type_of(name))()) for name in COLUMNS])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for batch in _batches(request_row(record, exchange) for exchange in record.exchanges()):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
    return [path], []


def _type_of(column: str) -> str:
    if column in _TEXTS:
        return "string"
    if column in _COUNTS:
        return "int64"
    return "bool_" if column == "simulated" else "float64"


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(rows, _BATCH_ROWS)):
        yield batch
