"""python -m benchmarks.power_cost: what the power sampler costs here, as a share of a core.

With an NVIDIA driver it samples that; else a fake one (tests/power/fake_nvml.c), whose calls cost next to nothing: what
is left is the sampler's own loop, its JSON and its file.
"""

import argparse
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from imaxproxy.power import EventKind, Mapping, PowerEvent, SamplerProcess, SourceError, read_power

_FAKE = Path(__file__).parent.parent / "tests" / "power" / "fake_nvml.c"


def measure(tick_ms: float | None, seconds: float, folder: Path) -> dict[str, float]:
    """The sampler's own account of itself, from after its calibration to its end."""
    sampler = SamplerProcess(folder / "power.jsonl", ["nvml"], Mapping(devices="all"), tick_ms=tick_ms)
    sampler.start()
    time.sleep(seconds)
    sampler.stop()
    events = [line for line in read_power(folder / "power.jsonl") if isinstance(line, PowerEvent)]
    stopped = next(event for event in events if event.event is EventKind.STOPPED)
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", stopped.detail or "")}


def _use_fake_driver(folder: Path) -> None:
    library = folder / "libnvidia-ml.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_FAKE)], check=True)
    (folder / "conf").write_text("gpus=1\n")
    os.environ |= {"LD_LIBRARY_PATH": str(folder), "FAKE_NVML": str(folder / "conf")}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.power_cost", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--ticks", default="auto,100,50,20,10", help="ms (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, driver = Path(name), "this machine's driver"
        try:
            measure(None, 0.1, folder)
        except SourceError:
            _use_fake_driver(folder)
            driver = "a fake driver"
        print(f"| tick ms ({driver}) | share of a core | CPU us a tick | late ticks |\n| --- | --- | --- | --- |")
        for word in options.ticks.split(","):
            cost = measure(None if word == "auto" else float(word), options.seconds, folder)
            share, per_tick_us = cost["cpu_s"] / cost["wall_s"], cost["cpu_s"] / max(cost["ticks"], 1) * 1e6
            print(f"| {word} | {share:.2%} | {per_tick_us:.0f} | {cost['late']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
