"""Where the data that ships with the product lies: recipes in `engines/`, specs and sample traces in `workloads/`."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(folder: str) -> Path:
    """`engines` or `workloads`: inside the wheel when installed, beside the package in a checkout."""
    inside_wheel = _PACKAGE / "data" / folder
    return inside_wheel if inside_wheel.is_dir() else _PACKAGE.parent / folder
