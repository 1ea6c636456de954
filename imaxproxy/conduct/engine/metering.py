"""Power, sampled beside a run: which sources, whose GPUs, and the time before and after that they need."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from imaxproxy.conduct.flags.power import AUTO, PowerChoice
from imaxproxy.conduct.output import say
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.power import GPU_BOUNDARIES, Device, Mapping, SamplerProcess, SourceError
from imaxproxy.power.opening import settling_s
from imaxproxy.power.recorded import import_recording
from imaxproxy.runs import Manifest, RunDirectory
from imaxproxy.wire import BaseUrl

_CALIBRATE_S = 2.0


@dataclass(frozen=True, slots=True)
class PowerMeter:
    """Knows the engines and the flags; measures any number of runs of them."""

    choice: PowerChoice
    urls: tuple[BaseUrl, ...]
    """Of all engines under test: their boards' energy is one sum."""
    engine: dict[str, Any]
    """What is known of it."""
    simulated_here: bool = False
    """The command simulates it: it writes `power.jsonl` by itself."""
    pids: tuple[int, ...] = ()
    """Of an engine that the command launched."""

    @contextlib.contextmanager
    def measuring(self, run: RunDirectory) -> Iterator[dict[str, Any]]:
        """Samples inside; yields what the manifest's settings say of it. The idle baseline is waited for first.

        Raises SourceError when a source that was named cannot be opened; without one `auto` says so and goes on.
        """
        facts: dict[str, Any] = {}
        if not self.choice.is_on or self.simulated_here or self.choice.file is not None:
            yield facts
            return
        try:
            sources = self._sources()
            sampler = self._start(run, sources)
        except SourceError as error:
            if self.choice.source != AUTO:
                raise UsageError(f"--power {self.choice.source}: {error}") from error
            say(f"imaxproxy: no energy will be measured: {error}")
            facts["power_unavailable"] = str(error)
            yield facts
            return
        facts["power_sources"] = sources
        try:
            yield facts
            time.sleep(self.choice.tail_s)
        finally:
            in_order = sampler.stop()
            run.power_now.unlink(missing_ok=True)  # one that was killed leaves it
            if not in_order:
                say("imaxproxy: the power sampler did not end in order; what it had written is used")

    def take_recording(self, run: RunDirectory, manifest: Manifest) -> None:
        """After the run: `--power file:PATH` into the run's `power.jsonl`, on the run's clock. What is wrong with the
        file is said; the run's latencies do not depend on it."""
        if self.choice.file is None:
            return
        try:
            mapping = self._mapping()
            count = import_recording(self.choice.file, run.power, manifest.clock, mapping)
            say(f"imaxproxy: {count:,} power samples from {self.choice.file}")
        except ImaxproxyError as error:
            say(f"imaxproxy: no energy: {error}")

    def _sources(self) -> list[str]:
        if self.choice.source != AUTO:
            return [spec.strip() for spec in self.choice.source.split(",")]
        if self.engine.get("simulated"):
            return [f"sim:{url}/imax/power" for url in self.urls]
        hosts = dict.fromkeys(url.host for url in self.urls)
        if away := [host for host in hosts if not is_here(host)]:
            here = ["nvml"] if len(away) < len(hosts) else []
            wanted = ",".join([*here, *(f"dcgm:http://{host}:9400" for host in away)])
            raise SourceError(
                f"the engine is at {' and '.join(away)}, and --power auto reads this host; give --power {wanted}, or a "
                "recording with file:PATH"
            )
        return ["nvml|amdsmi", "?rapl"]

    def _start(self, run: RunDirectory, sources: list[str]) -> SamplerProcess:
        baseline_s = self.choice.baseline_s
        calibrate_s = min(baseline_s, _CALIBRATE_S)
        sampler = SamplerProcess(
            run.power, sources, self._mapping(), tick_ms=self.choice.tick_ms, calibrate_s=calibrate_s
        )
        if settling_s(sources):
            say(
                "imaxproxy: waiting until the DCGM exporter's figures have moved: two of its periods, a minute unless "
                "it was started with --collect-interval=100; one more after the run"
            )
        devices = sampler.start()
        for line in told(devices):
            say(f"imaxproxy: {line}")
        if not any(device.counted and device.counted_by for device in devices if device.boundary in GPU_BOUNDARIES):
            say("imaxproxy: which GPUs are the engine's is not known: give --power-devices 0,1 (or all)")
        time.sleep(baseline_s - calibrate_s)
        return sampler

    def _mapping(self) -> Mapping:
        return Mapping(
            devices=self.choice.devices,
            pids=self.pids,
            ports=tuple(url.port for url in self.urls if is_here(url.host)),
            own_visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
            gpus=self.engine.get("gpus"),
        )


def told(devices: list[Device]) -> Iterator[str]:
    """What is counted and what is not, a line each."""
    boards = [device for device in devices if device.boundary in GPU_BOUNDARIES]
    for device in boards:
        number = "" if device.index is None else f" {device.index}"
        verdict = "counted" if device.counted and device.counted_by else "not counted"
        by = f" ({device.counted_by})" if device.counted and device.counted_by else ""
        period = f", counter every {device.counter_update_ms:.0f} ms" if device.counter_update_ms else ""
        yield f"power of GPU{number} {device.name or device.device}: {verdict}{by}{period}"
    for device in devices:
        if device not in boards:
            yield f"power of {device.device}: beside, not added"


def is_here(host: str) -> bool:
    """The name leads to an address of this host."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except OSError:
        return False
    for family, kind, protocol, _, address in found:
        with contextlib.suppress(OSError), socket.socket(family, kind, protocol) as probe:
            probe.bind((address[0], 0))
            return True
    return False
