"""The Kubernetes manifests: what an API server looks at beyond the schema, and the Jobs' pods run by podman."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.files import DEPLOY, run
from deploy.images import Images
from deploy.machines import Machine, Machines

FOLDER = DEPLOY / "kubernetes"
RAYJOB = DEPLOY / "ray" / "rayjob.yaml"
SHARES = 2
"""Pods of the indexed Job here; the file has four."""
_CONTROL_GROUPS = """
set -e
mount -t tmpfs cgroup /sys/fs/cgroup
for each in cpu cpuacct cpuset memory devices freezer blkio pids; do
    mkdir /sys/fs/cgroup/$each
    mount -t cgroup -o $each cgroup /sys/fs/cgroup/$each
done
"""
_SIZES = {"Mi": 2**20, "Gi": 2**30, "m": 1e-3, "": 1}


def documents() -> dict[str, dict[str, Any]]:
    every = [each for path in sorted(FOLDER.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text())]
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in every}


def pod_templates() -> dict[str, dict[str, Any]]:
    """Of Deployments and Jobs, and of KubeRay's groups."""
    found = {name: each["spec"]["template"] for name, each in documents().items() if "template" in each["spec"]}
    cluster = yaml.safe_load(RAYJOB.read_text())["spec"]["rayClusterSpec"]
    found["RayJob/head"] = cluster["headGroupSpec"]["template"]
    return found | {f"RayJob/{each['groupName']}": each["template"] for each in cluster["workerGroupSpecs"]}


each_pod = pytest.mark.parametrize(("name", "pod"), pod_templates().items(), ids=list(pod_templates()))


@each_pod
def test_what_a_pod_names_is_there(name: str, pod: dict[str, Any]) -> None:
    """Volumes that are mounted, ports that are probed, labels that are spread over."""
    mounted: set[str] = set()
    for container in pod["spec"]["containers"]:
        mounted |= {mount["name"] for mount in container.get("volumeMounts", [])}
        ports = {port["name"] for port in container.get("ports", [])}
        for probe in (container[kind] for kind in ("readinessProbe", "livenessProbe") if kind in container):
            assert (probe.get("httpGet") or probe["tcpSocket"])["port"] in ports, name
    assert mounted == {volume["name"] for volume in pod["spec"].get("volumes", [])}, name
    labels = pod.get("metadata", {}).get("labels", {})
    for spread in pod["spec"].get("topologySpreadConstraints", []):
        assert spread["labelSelector"]["matchLabels"].items() <= labels.items(), name


@each_pod
def test_nothing_asks_for_more_than_its_limit(name: str, pod: dict[str, Any]) -> None:
    for container in pod["spec"]["containers"]:
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        for resource in requests.keys() & limits.keys():
            assert _quantity(requests[resource]) <= _quantity(limits[resource]), (name, resource)


def _quantity(text: str) -> float:
    digits = text.rstrip("GMim")
    return float(digits) * _SIZES[text.removeprefix(digits)]


def test_selectors_meet_the_pods() -> None:
    every = documents()
    proxy = every["Deployment/imaxproxy"]["spec"]
    labels = proxy["template"]["metadata"]["labels"].items()
    assert proxy["selector"]["matchLabels"].items() <= labels
    assert every["PodDisruptionBudget/imaxproxy"]["spec"]["selector"]["matchLabels"].items() <= labels
    service = every["Service/imaxproxy"]["spec"]
    assert service["selector"].items() <= labels
    ports = {port["name"] for port in proxy["template"]["spec"]["containers"][0]["ports"]}
    assert {port["targetPort"] for port in service["ports"]} <= ports
    target = every["HorizontalPodAutoscaler/imaxproxy"]["spec"]["scaleTargetRef"]
    assert f"{target['kind']}/{target['name']}" in every


def test_the_shares_are_as_many_as_the_pods() -> None:
    job = documents()["Job/imaxproxy-replay"]["spec"]
    assert job["completionMode"] == "Indexed"
    (share,) = (word for word in job["template"]["spec"]["containers"][0]["args"] if word.startswith("--share="))
    assert job["completions"] == job["parallelism"] == int(share.rpartition("/")[2])


@pytest.mark.deploy
@each_pod
def test_each_pod_by_its_schema(name: str, pod: dict[str, Any], tmp_path: Path) -> None:
    """Those of KubeRay's groups, too: the schema of a RayJob leaves them open."""
    metadata = {"name": "pod", **pod.get("metadata", {})}
    path = tmp_path / "pod.yaml"
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}))
    run("kubernetes-validate", "--strict", "--kubernetes-version", "1.37", path)


@pytest.mark.deploy
def test_the_pods_of_the_jobs(images: Images, imaxproxy_image: str) -> None:
    """Two shares on one claim, then the merge: as their own user, on a disk that cannot be written, as the files say.

    What the controller and the kubelet do is done here: an index, its place in the arguments, whose the claim is.
    """
    with Machines(["node"], images.folder) as machines:
        node = machines["node"]
        node.run("sh", "-c", _CONTROL_GROUPS)
        node.run("sh", "-c", f"echo {node.address} vllm.default.svc.cluster.local >> /etc/hosts")
        serve = ("--simulate", "--host", node.address, "--port", "8000", "--out", "/tmp/serve")
        node.serve("imaxproxy", "serve", "--engine", "fixed-5ms", *serve)
        node.run(*images.podman, "tag", imaxproxy_image, "docker.io/library/imaxproxy:0.1.0")
        claim = _make_claim(images, node)
        start = str(int(time.time()) + 15)
        for index in range(SHARES):
            _play(images, node, "replay-job.yaml", f"replay-{index}", START_TIME=start, JOB_COMPLETION_INDEX=str(index))
        for index in range(SHARES):
            _wait(images, node, f"replay-{index}-replay")
        _play(images, node, "merge-job.yaml", "merge", START_TIME=start)
        said = _wait(images, node, "merge-merge")
        summary = json.loads((claim / start / "whole" / "summary.json").read_text())
        node.run(*images.podman, "pod", "rm", "--all", "--force", timeout_s=90)
    assert (summary["requests"]["sent"], summary["requests"]["completed"]) == (100, 100), said
    assert summary["shares"]["of"] == SHARES


def _make_claim(images: Images, node: Machine) -> Path:
    node.run(*images.podman, "volume", "create", "imaxproxy-runs")
    claim = Path(node.run(*images.podman, "volume", "inspect", "--format={{.Mountpoint}}", "imaxproxy-runs").strip())
    row = json.dumps({"timestamp": 0, "input_length": 100, "output_length": 20})
    (claim / "trace.jsonl").write_text(f"{row}\n" * 100)
    node.run("chown", "--recursive", "10001", claim)
    return claim


def _play(images: Images, node: Machine, file: str, name: str, **variables: str) -> None:
    """One pod of the Job in this file."""
    text = (FOLDER / file).read_text().replace("/4", f"/{SHARES}")
    for variable, value in variables.items():
        text = text.replace(f"$({variable})", value).replace(variable, value)
    pod = yaml.safe_load(text)["spec"]["template"]
    for container in pod["spec"]["containers"]:
        container["args"] = [word for word in container["args"] if not word.endswith(("/2", "/3")) or "--" in word]
        for mount in container["volumeMounts"]:
            mount["name"] = f"{name}-{mount['name']}"
    for volume in pod["spec"]["volumes"]:
        volume["name"] = f"{name}-{volume['name']}"  # podman's emptyDir is of all pods by its name
    path = images.folder / f"{name}.yaml"
    path.write_text(
        yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod["spec"]})
    )
    node.run(*images.podman, "kube", "play", "--network=host", path)


def _wait(images: Images, node: Machine, container: str) -> str:
    code = node.run(*images.podman, "wait", container, timeout_s=90).strip()
    said = node.run(*images.podman, "logs", container)
    assert code == "0", said
    return said
