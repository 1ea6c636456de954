from pathlib import Path

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch import load_recipe
from imaxproxy.sweep import load_sweep
from imaxproxy.traces import load_spec, shipped_specs

GOOD = """schema = "imaxproxy.sweep/1"
concurrency = [8, 4]
repeats = 2

[flags]
slo = "ttft_ms<500"

[workload.1k1k]
input_length = 1024
output_length = 512

[workload.chat]
trace = "chat.jsonl"

[recipe.b200]
engine = "gpt-oss-120b-b200-vllm"
workloads = ["1k1k"]
set.parallel.tp = [1, 2]
set.engine.flags.max-cudagraph-capture-size = 1024

[recipe.lab]
url = "http://127.0.0.1:1/v1"
concurrency = [1]
"""


def write(folder: Path, text: str) -> Path:
    (folder / "chat.jsonl").write_text('{"timestamp": 0, "input_length": 5, "output_length": 2, "hash_ids": [0]}\n')
    path = folder / "sweep.toml"
    path.write_text(text)
    return path


def test_a_grid_becomes_curves_of_rising_loads_and_their_repeats(tmp_path: Path) -> None:
    curves = load_sweep(write(tmp_path, GOOD)).curves(tmp_path / "out")
    assert [curve.name for curve in curves] == ["1k1k b200-tp1", "1k1k b200-tp2", "1k1k lab", "chat lab"]
    runs = [str(point.run.relative_to(tmp_path / "out")) for point in curves[1].points]
    assert runs == ["1k1k/b200-tp2-c4", "1k1k/b200-tp2-c8"]  # virtual: repeats would be the same run
    live = [str(point.run.relative_to(tmp_path / "out")) for point in curves[3].points]
    assert live == ["chat/lab-c1.r1", "chat/lab-c1.r2"]
    argv = " ".join(curves[1].points[0].argv)
    assert "b200-tp2.toml --simulate --virtual --concurrency 4 --slo ttft_ms<500 --out" in argv
    assert curves[3].points[0].argv[0] == str(tmp_path / "chat.jsonl")
    assert not (tmp_path / "out").exists()


def test_the_files_that_points_need_say_what_was_set(tmp_path: Path) -> None:
    curve = load_sweep(write(tmp_path, GOOD)).curves(tmp_path)[1]
    for path, text in (curve.variant.file, curve.points[-1].file):  # type: ignore[misc]
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    recipe = load_recipe(curve.variant.file[0])  # type: ignore[index]
    assert (recipe.parallel.tp, recipe.gpu.count, recipe.name) == (2, 2, "b200-tp2")
    assert recipe.engine.flags["max-cudagraph-capture-size"] == 1024
    rows = list(load_spec(curve.points[-1].argv[0]).rows())
    assert len(rows) == 80  # 10 x 8, and in virtual time no warm-ups
    assert all(819 <= (row.input_length or 0) <= 1024 and 409 <= (row.output_length or 0) <= 512 for row in rows)


def test_live_points_have_warmups_and_the_same_requests(tmp_path: Path) -> None:
    spec = load_sweep(write(tmp_path, GOOD.replace("repeats = 2", 'mode = "simulate"'))).curves(tmp_path)
    path, text = spec[0].points[0].file  # type: ignore[misc]
    path.parent.mkdir()
    path.write_text(text)
    kinds = [row.request_kind for row in load_spec(path).rows()]
    assert (kinds.count("warmup"), kinds.count(None)) == (8, 40)


def test_the_hash_is_of_spec_recipes_and_traces(tmp_path: Path) -> None:
    def sha256(text: str = GOOD) -> str:
        spec = load_sweep(write(tmp_path, text))
        return spec.sha256(spec.curves(tmp_path))

    first = sha256()
    assert sha256() == first
    assert sha256(GOOD.replace("[8, 4]", "[8, 5]")) != first
    spec = load_sweep(write(tmp_path, GOOD))
    (tmp_path / "chat.jsonl").write_text('{"timestamp": 0, "input_length": 6, "output_length": 2, "hash_ids": [0]}\n')
    assert spec.sha256(spec.curves(tmp_path)) != first


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("sweep/1", "sweep/2"), r':1: schema must be "imaxproxy.sweep/1"'),
        (("[8, 4]", "[8, 8]"), r":2: concurrency must be a list of different whole numbers"),
        (("[8, 4]", "[]"), r":2: concurrency must be a list"),
        (("[8, 4]", "[true]"), r":2: concurrency must be a list"),
        (("repeats = 2", "repeat = 2"), r":3: repeat: unknown key; did you mean repeats\?"),
        (("input_length = 1024\n", ""), r":8: workload.1k1k: give either trace, or input_length and output_length"),
        (("[workload.1k1k]", "[workload.recipes]"), r":8: workload.recipes: a sweep has a folder of that name"),
        (('"chat.jsonl"', '"chat.jsonl"\nrequests = 3'), r":14: workload.chat.requests: a trace says that itself"),
        (('"chat.jsonl"', '"none.jsonl"'), r":13: workload.chat.trace: none.jsonl does not exist"),
        (
            ("gpt-oss-120b-b200-vllm", "gpt-oss-b300"),
            r":16: recipe.b200.engine: unknown recipe 'gpt-oss-b300'; near it",
        ),
        (('["1k1k"]', '["2k2k"]'), r":17: recipe.b200.workloads: there is no workload 2k2k; there are 1k1k, chat"),
        (("[1, 2]", "[1, 1]"), r":18: recipe.b200.set.parallel.tp must be a value, or a list of different ones"),
        (("[1, 2]", '"two"'), r":18: recipe.b200.set, for b200: .*parallel.tp must be a whole number"),
        (("set.parallel.tp", "set.parallel.tq"), r"recipe.b200.set, for b200-tq1: .*unknown key parallel.tq"),
        (("set.parallel.tp = [1, 2]", "set.parallel = 2"), r"parallel is a table: set its keys"),
        (("url =", "link ="), r":22: recipe.lab.link: unknown key"),
        (('url = "http://127.0.0.1:1/v1"', "gpus = 1"), r":21: recipe.lab: give either engine, .* or url"),
        (("concurrency = [1]", "gpus = 8"), r":21: recipe.lab: gpu and gpus go together"),
        (("concurrency = [1]", 'mode = "real"'), r":23: recipe.lab.mode goes with engine, not with url"),
        (("concurrency = [1]", "rate = [1.5]"), r":8: workload.1k1k.requests is missing: a rate says not how many"),
        (("concurrency = [1]", "rate = [1]\nconcurrency = [1]"), r":21: recipe.lab: give either concurrency or rate"),
        (("[8, 4]", "[8, 4"), r": not TOML"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(UsageError, match=says):
        load_sweep(write(tmp_path, GOOD.replace(*change, 1))).curves(tmp_path / "out")


def test_inferencemax_v1_ships_is_no_workload_and_covers_its_matrix(tmp_path: Path) -> None:
    spec = load_sweep(Path("inferencemax-v1"))
    curves = spec.curves(tmp_path)
    assert spec.path not in shipped_specs()
    covered = {
        (recipe.model.split("/")[1].split("-")[0].lower(), recipe.gpu.kind, curve.workload)
        for curve in curves
        for recipe in [load_recipe(spec.text.document["recipe"][curve.variant.recipe]["engine"])]
    }
    shapes = ("1k1k", "1k8k", "8k1k")
    for model in ("gpt", "llama", "deepseek"):
        for gpu in ("h200", "b200", "gb200"):
            for shape in shapes:  # Llama was not run on GB200
                assert ((model, gpu, shape) in covered) is ((model, gpu) != ("llama", "gb200"))


def test_what_windows_writes_is_read(tmp_path: Path) -> None:
    """Line ends of two characters, and a byte order mark before all."""
    plain = load_sweep(write(tmp_path, GOOD)).curves(tmp_path / "out")
    path = tmp_path / "sweep.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert [curve.name for curve in load_sweep(path).curves(tmp_path / "out")] == [curve.name for curve in plain]
