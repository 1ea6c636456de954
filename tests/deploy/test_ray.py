"""The cluster file of `ray up`: taken by Ray's schema, and run by SSH on machines of their own."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from deploy.files import DEPLOY
from deploy.machines import VENV, Machines

pytestmark = pytest.mark.deploy

CLUSTER = DEPLOY / "ray" / "cluster.yaml"
LINES = re.findall(r"^#   (ray .+)$", CLUSTER.read_text(), re.MULTILINE)
"""The commands at the head of the file."""


def test_ray_takes_the_cluster_file() -> None:
    """As `ray up` does first: its defaults, then its schema."""
    util = pytest.importorskip("ray.autoscaler._private.util", reason="ray is not installed")
    util.validate_config(util.prepare_config(yaml.safe_load(CLUSTER.read_text())))


def test_it_awaits_as_many_workers_as_it_names() -> None:
    cluster = yaml.safe_load(CLUSTER.read_text())
    workers = len(cluster["provider"]["worker_ips"])
    assert cluster["min_workers"] == cluster["max_workers"] == workers
    assert any(f"--nodes {workers + 1} " in line for line in LINES)


@dataclass
class OnPremises:
    """Somebody's desk, a head and a worker; SSH with a key leads from the desk to both."""

    machines: Machines
    folder: Path
    user: str

    def types(self, beginning: str, within_s: float = 60) -> str:
        """What the line of the file's head says that begins so, typed at the desk with our own names and numbers."""
        (line,) = (each for each in LINES if each.startswith(beginning))
        own = {
            "deploy/ray/cluster.yaml": "cluster.yaml",
            "ray up": "ray up --yes",
            "ray down": "ray down --yes",
            "http://10.0.0.9:8000/v1": f"http://{self.machines['desk'].address}:8000/v1",
            "--nodes 4": "--nodes 2",
            "--rate 500": "--rate 40",
        }
        for old, new in own.items():
            line = line.replace(old, new)
        desk = self.machines["desk"]
        return desk.run("bash", "-c", f"cd {self.folder} && {line}", user=self.user, timeout_s=within_s)


@pytest.fixture(scope="module")
def on_premises(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnPremises]:
    pytest.importorskip("ray", reason="ray is not installed")
    missing = [tool for tool in ("sshd", "ssh", "rsync") if shutil.which(tool, path="/usr/sbin:/usr/bin") is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (scripts/test-deploy installs them as root on Debian)")
    folder = tmp_path_factory.mktemp("ray")
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o777)  # the user who types is another
    row = json.dumps({"timestamp": 0, "input_length": 100, "output_length": 20})
    (folder / "trace.jsonl").write_text(f"{row}\n" * 80)
    with Machines(["desk", "head", "worker"], folder) as machines:
        cluster = yaml.safe_load(CLUSTER.read_text())
        cluster["provider"] |= {"head_ip": machines["head"].address, "worker_ips": [machines["worker"].address]}
        cluster["min_workers"] = cluster["max_workers"] = 1
        # Instead of an installation from PyPI: this one, as on a disk that all machines share.
        cluster["setup_commands"][0] = f"ln -sfn {VENV} ~/imaxproxy"
        (folder / "cluster.yaml").write_text(yaml.safe_dump(cluster))
        user = cluster["auth"]["ssh_user"]
        _keys(machines, user, folder / "key.pub")
        yield OnPremises(machines, folder, user)


def _keys(machines: Machines, user: str, public: Path) -> None:
    for machine in machines:
        machine.run("useradd", "--create-home", "--shell", "/bin/bash", user)
    home = Path("/home", user, ".ssh")
    key = home / "id_ed25519"
    make = f"mkdir -m 700 {home} && ssh-keygen -q -t ed25519 -N '' -f {key} && cp {key}.pub {public}"
    machines["desk"].run("sh", "-c", make, user=user)
    for name in ("head", "worker"):
        machines[name].run("install", "-D", "--mode=600", public, home / "authorized_keys", user=user)
        machines[name].run("sh", "-c", "mkdir -p /run/sshd && ssh-keygen -A")
        machines[name].serve("/usr/sbin/sshd", "-D", "-e")


def test_the_lines_at_its_head(on_premises: OnPremises) -> None:
    """Up, the trace there, a replay from both nodes, the run back here, and down."""
    desk, head = on_premises.machines["desk"], on_premises.machines["head"]
    serve = (
        "serve",
        "--engine",
        "fixed-5ms",
        "--simulate",
        "--host",
        desk.address,
        "--port",
        "8000",
        "--out",
        "/tmp/run",
    )
    desk.serve("imaxproxy", *serve)
    on_premises.types("ray up", within_s=120)
    on_premises.types("ray rsync-up")
    until = time.monotonic() + 90
    while "2 local.cluster.node" not in head.run("ray", "status", user=on_premises.user, check=False):
        assert time.monotonic() < until, "the worker has not come"
    said = on_premises.types("ray exec", within_s=120)
    on_premises.types("ray rsync-down", within_s=120)
    summary = json.loads((on_premises.folder / "run" / "summary.json").read_text())
    assert summary["requests"]["completed"] == summary["requests"]["sent"] == 80, said
    assert sorted(part["host"] for part in summary["shares"]["parts"]) == ["head", "worker"]
    assert "raylet" not in head.run("ps", "-e", "-o", "args="), "left behind by `ray down`"
