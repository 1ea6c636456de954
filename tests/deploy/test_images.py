"""The Dockerfiles, built and run: as their own user, with the part in C, on a disk that cannot be written."""

import json
from pathlib import Path

import pytest

from deploy.files import DEPLOY
from deploy.images import Images

pytestmark = pytest.mark.deploy


def test_it_measures_as_its_own_user(images: Images, imaxproxy_image: str, tmp_path: Path) -> None:
    """Serves and replays with nothing but /runs and /tmp to write, and keeps the run."""
    row = json.dumps({"timestamp": 0, "input_length": 100, "output_length": 20})
    (tmp_path / "trace.jsonl").write_text(f"{row}\n" * 20)
    script = """
    imaxproxy serve --engine gpt-oss-120b-b200-vllm --simulate --host 0.0.0.0 --out /runs/serve &
    ready='import urllib.request as r; r.urlopen("http://127.0.0.1:8080/health")'
    until python -c "$ready" 2>/dev/null; do sleep 0.1; done
    imaxproxy replay trace.jsonl --url http://127.0.0.1:8080/v1 --rate 20 --out /runs/replay --json
    kill -TERM $!; wait $!
    """
    said = images.run(imaxproxy_image, "-ec", script, options=("--entrypoint=sh", f"--volume={tmp_path}:/runs:U"))
    summary = json.loads(said[: said.rindex("}") + 1])
    assert summary["requests"]["completed"] == 20
    assert json.loads((tmp_path / "replay" / "manifest.json").read_text())["hot_path"] == "c"
    assert (tmp_path / "serve" / "summary.json").stat().st_uid == 10001


def test_its_entry_is_the_command(images: Images, imaxproxy_image: str) -> None:
    assert images.run(imaxproxy_image, "--version") == "imaxproxy, version 0.1.0\n"
    assert images.run(imaxproxy_image).startswith("Usage: imaxproxy")


@pytest.mark.slow
def test_the_image_for_ray(images: Images, imaxproxy_image: str) -> None:
    """Ray itself is left out of the base; its user, folders and environment are as Ray's images have them."""
    make = "useradd -ms /bin/bash -d /home/ray ray --uid 1000 --gid 100 && python3 -m venv /home/ray/anaconda3"
    path = ("--env", "PATH=/home/ray/anaconda3/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    version = next(
        line for line in (DEPLOY / "ray" / "Dockerfile").read_text().splitlines() if line.startswith("ARG RAY=")
    )
    base = f"rayproject/ray:{version.removeprefix('ARG RAY=')}-py312"
    images.name_base(base, f"{make} && chown -R ray:users /home/ray", *path, "--user=1000", "--workingdir=/home/ray")
    images.build("ray/Dockerfile", "imaxproxy-ray:0.1.0")
    said = images.run("localhost/imaxproxy-ray:0.1.0", "sh", "-c", "id --user; imaxproxy --version; imaxproxy doctor")
    assert said.startswith("1000\nimaxproxy, version 0.1.0\n")
    assert "streams are carried in C" in said
