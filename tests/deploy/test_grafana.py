"""The dashboard, asked of a real Prometheus that scrapes a real proxy under load."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from cli.command import Command, until

from deploy.files import DEPLOY, run
from imaxproxy.launch import free_port

pytestmark = pytest.mark.deploy

DASHBOARD = json.loads((DEPLOY / "grafana" / "imaxproxy.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUIET = {"Errors, refusals, retries", "Running and waiting", "KV cache and prefix hits", "Tokens a step, preemptions"}
"""Panels that have nothing to show while all goes well, and those of engines' own metrics: a simulated one has none."""


def test_panels_lie_side_by_side() -> None:
    """No two share a place, none leaves the 24 columns, each says its unit."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in PANELS)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address; a proxy in front of a simulated engine is scraped each second, and carries a replay."""
    run("prometheus", "--version")
    folder = tmp_path_factory.mktemp("prometheus")
    command = Command(folder)
    (folder / "keys").write_text("alice:secret\nprometheus:of-its-own\n")
    (folder / "key").write_text("of-its-own")
    proxy, port = free_port("127.0.0.1"), free_port("127.0.0.1")
    engine = (
        "--engine",
        "gpt-oss-120b-b200-vllm",
        "--simulate",
        "--power",
        "sim",
        "--slo",
        "ttft_ms<500",
        "--out",
        "proxy",
    )
    command.start("serve", *engine, "--port", proxy, "--workers", 2, "--keys", "keys")
    settings = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    settings = settings.replace("proxy:8080", f"127.0.0.1:{proxy}").replace(
        "scrape_interval: 5s", "scrape_interval: 1s"
    )
    settings = settings.replace("# authorization", "authorization").replace("/etc/prometheus/imaxproxy.key", "key")
    (folder / "prometheus.yml").write_text(settings.replace("rule_files: [alerts.yml]", ""))
    server = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
    )
    try:
        until(lambda: answers(f"http://127.0.0.1:{proxy}/health"), "the proxy to be ready")
        trace = folder / "trace.jsonl"
        row = {"input_length": 100, "output_length": 40}
        trace.write_text("".join(json.dumps({"timestamp": 50 * n, **row}) + "\n" for n in range(160)))
        command.environment["OPENAI_API_KEY"] = "secret"
        command.run("replay", trace, "--url", f"http://127.0.0.1:{proxy}/v1", "--out", "run").check(0)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)
        command.close()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def ask(prometheus: str, query: str) -> list[dict[str, Any]]:
    for name, value in (("$__rate_interval", "5s"), ("$job", ".*"), ("$instance", ".*")):
        query = query.replace(name, value)
    with urllib.request.urlopen(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}") as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_each_query_is_answered(prometheus: str, panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        found = ask(prometheus, target["expr"])
        assert bool(found) or panel["title"] in QUIET, target["expr"]


def test_variables_have_values(prometheus: str) -> None:
    assert {each["metric"]["job"] for each in ask(prometheus, "imaxproxy_requests_in_flight")} == {"imaxproxy"}
