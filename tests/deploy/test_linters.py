"""The tools that judge such files where nothing runs them. `scripts/test-deploy` installs them."""

import re
import shutil
from pathlib import Path

import pytest

from deploy.files import DEPLOY, run

pytestmark = pytest.mark.deploy


def test_dockerfiles() -> None:
    run("hadolint", *sorted(DEPLOY.glob("*/Dockerfile")))


def test_compose_files() -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *sorted((DEPLOY / "docker").glob("*.yaml")))


@pytest.mark.parametrize("path", sorted((DEPLOY / "kubernetes").glob("*.yaml")), ids=lambda path: path.name)
@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_kubernetes_manifests(path: Path, version: str) -> None:
    said = run("kubernetes-validate", "--strict", "--kubernetes-version", version, path)
    assert "passed for resource" in said


def test_scripts() -> None:
    run("shellcheck", *sorted(DEPLOY.glob("*/*.sbatch")))


def test_systemd_unit(tmp_path: Path) -> None:
    """systemd looks whether the command is there: the unit stands beside a command that is."""
    command = tmp_path / "imaxproxy"
    shutil.copy("/bin/true", command)
    unit = tmp_path / "imaxproxy.service"
    text = (DEPLOY / "systemd" / "imaxproxy.service").read_text()
    unit.write_text(text.replace("/opt/imaxproxy/bin/imaxproxy", str(command)))
    run("systemd-analyze", "verify", unit)


def test_one_version_of_ray() -> None:
    found = {path.name: re.search(r"2\.\d+\.\d+", path.read_text()) for path in (DEPLOY / "ray").iterdir()}
    versions = {name: match[0] for name, match in found.items() if match}
    assert versions.keys() >= {"Dockerfile", "rayjob.yaml", "cluster.yaml"}
    assert len(set(versions.values())) == 1, versions
