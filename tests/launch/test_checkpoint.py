import json
from pathlib import Path

import pytest

from imaxproxy.launch.checkpoint import find_in_hub, find_path, hub_folder


def model(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        (folder / name).write_bytes(b"12345")
    return folder


def test_a_folder_with_weights(tmp_path: Path) -> None:
    found = find_path(model(tmp_path, "config.json", "model.safetensors"), weights=True)
    assert (found.path, found.bytes, found.lacks) == (tmp_path, 5, None)


def test_random_weights_need_only_the_config(tmp_path: Path) -> None:
    assert find_path(model(tmp_path, "config.json"), weights=False).lacks is None
    assert "weights (*.safetensors)" in (find_path(tmp_path, weights=True).lacks or "")


@pytest.mark.parametrize(
    ("files", "lacks"), [((), "config.json in "), (("config.json", "README.md"), "weights (*.safetensors) in ")]
)
def test_a_folder_that_lacks_something(tmp_path: Path, files: tuple[str, ...], lacks: str) -> None:
    assert lacks in (find_path(model(tmp_path, *files), weights=True).lacks or "")


def test_every_shard_of_the_index_is_wanted(tmp_path: Path) -> None:
    model(tmp_path, "config.json", "a.safetensors")
    index = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors", "z": "c.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")
    assert "2 of 3 files of weights" in (find_path(tmp_path, weights=True).lacks or "")
    model(tmp_path, "b.safetensors", "c.safetensors")
    assert find_path(tmp_path, weights=True).bytes == 15
    (tmp_path / "model.safetensors.index.json").write_text("{", "utf-8")
    assert "unreadable" in (find_path(tmp_path, weights=True).lacks or "")


def test_what_is_not_there(tmp_path: Path) -> None:
    assert find_path(tmp_path / "none", weights=True).lacks == f"folder {tmp_path}/none"
    assert find_path(tmp_path / "none.gguf", weights=True).lacks == f"{tmp_path}/none.gguf"
    model(tmp_path, "a.gguf")
    assert find_path(tmp_path / "a.gguf", weights=True).bytes == 5


def test_the_hubs_cache(tmp_path: Path) -> None:
    assert find_in_hub("org/m", tmp_path, weights=True).lacks == f"org/m in {tmp_path}"
    home = tmp_path / "models--org--m"
    model(home / "snapshots" / "old", "config.json")
    newest = model(home / "snapshots" / "abc", "config.json", "model.safetensors")
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("abc\n", "utf-8")
    assert find_in_hub("org/m", tmp_path, weights=True).path == newest
    model(home / "blobs", "sha.incomplete")
    assert "its download was broken off" in (find_in_hub("org/m", tmp_path, weights=True).lacks or "")
    assert find_in_hub("org/m", tmp_path, weights=False).path == newest


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({}, "/home/me/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/cache"}, "/cache/huggingface/hub"),
        ({"HF_HOME": "/hf", "XDG_CACHE_HOME": "/cache"}, "/hf/hub"),
        ({"HF_HUB_CACHE": "/models", "HF_HOME": "/hf"}, "/models"),
    ],
)
def test_where_the_cache_is(environment: dict[str, str], folder: str) -> None:
    assert hub_folder(environment, Path("/home/me")) == Path(folder)
