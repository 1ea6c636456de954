"""Dated hardware and price tables, and what a run's tokens cost."""

from imaxproxy.economics.cost import provisioned_cost, tokens_per_s_per_mw, usd_per_million_tokens
from imaxproxy.economics.hardware import TENURES, Gpu, Price, gpu_kinds, load_gpu, load_price, newest_generation

__all__ = [
    "TENURES",
    "Gpu",
    "Price",
    "gpu_kinds",
    "load_gpu",
    "load_price",
    "newest_generation",
    "provisioned_cost",
    "tokens_per_s_per_mw",
    "usd_per_million_tokens",
]
