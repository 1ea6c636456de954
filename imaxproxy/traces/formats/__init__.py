"""The trace formats: one file each, listed here in the order in which they are tried on a file."""

from imaxproxy.traces.canonical import CanonicalReader
from imaxproxy.traces.formats.aibrix import AibrixReader, is_aibrix
from imaxproxy.traces.formats.aiperf import (
    InputsReader,
    MultiTurnReader,
    SingleTurnReader,
    is_aiperf_inputs,
    is_aiperf_multi_turn,
    is_aiperf_single_turn,
)
from imaxproxy.traces.formats.aiperf_mooncake import AiperfMooncakeReader, are_aiperf_mooncake
from imaxproxy.traces.formats.azure import AzureReader, is_azure
from imaxproxy.traces.formats.bailian import BailianReader, is_bailian
from imaxproxy.traces.formats.burstgpt import BurstGptReader, is_burstgpt
from imaxproxy.traces.formats.format import TIME_UNITS_MS, Format
from imaxproxy.traces.formats.lmcache import LmcacheReader, is_lmcache
from imaxproxy.traces.formats.mlcommons import MlcommonsReader, is_mlcommons
from imaxproxy.traces.formats.mooncake import MooncakeReader, is_mooncake
from imaxproxy.traces.formats.openai_batch import OpenAiBatchReader, OpenAiBodyReader, is_openai_batch, is_openai_body
from imaxproxy.traces.formats.otel import OtelReader, is_otel
from imaxproxy.traces.formats.sharegpt import ShareGptReader, is_sharegpt
from imaxproxy.traces.formats.tracelab import TraceLabCsvReader, TraceLabReader, is_tracelab, is_tracelab_csv
from imaxproxy.traces.formats.vllm_custom import VllmCustomReader, is_vllm_custom
from imaxproxy.traces.formats.weka import WekaReader, is_weka
from imaxproxy.traces.read_rows import RowReader

FORMATS: dict[str, Format] = {
    "mooncake": Format(is_mooncake, MooncakeReader, "timestamp"),
    "azure": Format(is_azure, AzureReader),
    "burstgpt": Format(is_burstgpt, BurstGptReader, "Timestamp", "s"),
    "bailian": Format(is_bailian, BailianReader, "timestamp", "s"),
    "weka": Format(is_weka, WekaReader, folder=True),
    "mlcommons": Format(is_mlcommons, MlcommonsReader, folder=True),
    "lmcache": Format(is_lmcache, LmcacheReader, "timestamp", "us", absolute=True, folder=True),
    "tracelab": Format(is_tracelab, TraceLabReader, absolute=True, folder=True),
    "tracelab-csv": Format(is_tracelab_csv, TraceLabCsvReader, "arrival_time"),
    "otel": Format(is_otel, OtelReader, absolute=True, folder=True),
    "aibrix": Format(is_aibrix, AibrixReader, "timestamp"),
    "sharegpt": Format(is_sharegpt, ShareGptReader),
    "openai-batch": Format(is_openai_batch, OpenAiBatchReader),
    "openai-body": Format(is_openai_body, OpenAiBodyReader),
    "aiperf-multi-turn": Format(is_aiperf_multi_turn, MultiTurnReader),
    "aiperf-single-turn": Format(is_aiperf_single_turn, SingleTurnReader),
    "aiperf-inputs": Format(is_aiperf_inputs, InputsReader),
    "aiperf-mooncake": Format(lambda record: False, AiperfMooncakeReader, "timestamp", matches_all=are_aiperf_mooncake),
    "vllm-custom": Format(is_vllm_custom, VllmCustomReader),
    "spec": Format(lambda record: False, RowReader),  # known by its name, .toml
    "canonical": Format(lambda record: True, CanonicalReader, "timestamp"),
}
"""A new format is a new file and a new entry here. `canonical` is last: it is what no other format claims."""

__all__ = ["FORMATS", "TIME_UNITS_MS", "Format"]
