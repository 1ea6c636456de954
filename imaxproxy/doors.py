"""Doors that open a room's heavier modules when someone asks for what is in them.

A data process imports its few modules through the doors of whole rooms. `replay` starts one beside itself, so what a
door loads unasked is paid for twice: 0.06 s of CPU, a third of the start (docs/benchmarks.md).
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def opened_late(room: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """The `__getattr__` of a room's door (PEP 562). modules: each name that it gives, and the module that has it."""

    def opened(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        found: object = getattr(import_module(f"{room}.{modules[name]}"), name)
        setattr(sys.modules[room], name, found)  # asked for once
        return found

    return opened
