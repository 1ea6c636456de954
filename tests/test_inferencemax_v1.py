"""docs/inferencemax-v1.md is what the kept matrix gives, and the kept matrix is what the simulation gives."""

import re
from pathlib import Path

import pytest
from cli.command import Command

from benchmarks.inferencemax_v1.claims import CLAIMS, Claim, Found, best_ratio, iso, most, per_mw, priced, ratio
from benchmarks.inferencemax_v1.claims import revenue_musd as revenue
from benchmarks.inferencemax_v1.matrix import Matrix, MatrixPoint
from benchmarks.inferencemax_v1.page import page
from benchmarks.inferencemax_v1.pictures import pictures
from imaxproxy.errors import UsageError
from imaxproxy.sweep import load_sweep

DOCS = Path(__file__).parents[1] / "docs"
KEPT = DOCS / "inferencemax-v1.json"
FOLDER = DOCS / "inferencemax-v1"


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return Matrix.read(KEPT)


def test_the_page_is_what_the_kept_matrix_gives(matrix: Matrix) -> None:
    assert (DOCS / "inferencemax-v1.md").read_text("utf-8") == page(matrix), "run scripts/inferencemax-v1 --page"


def test_each_picture_of_the_page_is_there_and_bears_the_mark(matrix: Matrix) -> None:
    shown = re.findall(r"\]\(inferencemax-v1/([^)]+)\.svg\)", page(matrix))
    assert shown
    assert sorted(shown) == sorted(chart.name for chart in pictures(matrix))
    assert {path.stem for path in FOLDER.iterdir()} == set(shown)
    for path in FOLDER.iterdir():
        assert "SIMULATED, not measured" in path.read_text("utf-8"), path.name


def test_the_matrix_is_the_specs(matrix: Matrix) -> None:
    """Every point is one of the spec's; what is missing was skipped past the knee of its curve, or failed."""
    curves = load_sweep(Path("inferencemax-v1")).curves(Path("sweep"))
    planned = {(point.workload, point.run.name) for curve in curves for point in curve.points}
    played = {(point.workload, point.run) for point in matrix.points}
    failed = {tuple(run.split("/")) for run, _ in matrix.failed}
    assert played | failed <= planned
    assert len(played) + len(failed) > 0.95 * len(planned)


def test_the_simulation_still_gives_what_was_kept(matrix: Matrix, command: Command) -> None:
    """A machine of each kind at its least load. Where this fails: run scripts/inferencemax-v1 and read the diff."""
    recipes = ("gpt-oss-120b-b200-vllm", "gpt-oss-120b-gb200-dynamo-trtllm")
    named = {"gpt-oss-120b-b200-vllm": "gptoss-b200-vllm-tp1-c4", recipes[1]: "gptoss-gb200-1p1d4-c4"}
    spec = ['schema = "imaxproxy.sweep/1"', "concurrency = [4]", "[workload.1k1k]", "input_length = 1024"]
    spec += ["output_length = 1024", *(f'[recipe.{recipe}]\nengine = "{recipe}"' for recipe in recipes)]
    (command.folder / "spec.toml").write_text("\n".join(spec))
    points = command.run("sweep", "spec.toml", "--out", "sweep", "--json").check(0).json["points"]
    kept = {(point.workload, point.run): point for point in matrix.points}
    for point in points:
        was = kept["1k1k", named[point["recipe"]]]
        assert point["figures"]["interactivity"] == pytest.approx(was.interactivity, rel=0.005)
        assert point["figures"]["total_per_gpu"] == pytest.approx(was.total_per_gpu, rel=0.005)


def test_every_claim_says_who_said_it_and_is_answered(matrix: Matrix) -> None:
    claims = [claim for _, group in CLAIMS for claim in group]
    assert len({claim.text for claim in claims}) == len(claims)
    for claim in claims:
        found = claim.measure(matrix)
        assert claim.source
        assert found.where
        assert found.value is None or found.value > 0


def point(gpu: str, interactivity: float, total_per_gpu: float) -> MatrixPoint:
    return MatrixPoint(
        "1k1k",
        f"{gpu}-c4",
        "m",
        gpu,
        "vllm",
        "fp4",
        1,
        4,
        interactivity,
        total_per_gpu,
        total_per_gpu / 2,
        100.0,
        1000.0,
    )


SMALL = Matrix(
    (point("b200", 20, 4000), point("b200", 120, 1000), point("h200", 20, 1000), point("h200", 100, 200)), (), {}
)


def test_answers_are_read_off_the_frontier_and_never_beyond_it() -> None:
    b200, h200 = {"gpu": "b200"}, {"gpu": "h200"}
    assert most("total_per_gpu", **b200)(SMALL).value == 4000
    assert iso(70, **b200)(SMALL).value == pytest.approx(2500)
    assert iso(130, **b200)(SMALL) == Found(None, "wanted 130, the matrix has 20 to 120 tok/s/user")
    assert iso(70, gpu="gb200")(SMALL).value is None
    assert ratio(iso(20, **b200), iso(20, **h200), 0.5)(SMALL).value == pytest.approx(2)
    assert ratio(iso(110, **b200), iso(110, **h200))(SMALL).value is None
    found = best_ratio(b200, h200, 5.0)(SMALL)
    assert found.value == pytest.approx(8)  # 1,600 / 200 at 100 tok/s/user
    assert "5x is passed from 70 on" in found.where
    assert priced(iso(20, **b200), "b200")(SMALL).value == pytest.approx(1.95 / 3600 / 4000 * 1e6)
    assert per_mw(iso(20, **b200), "b200")(SMALL).value == pytest.approx(4000 * 1000 / 2.17)
    assert revenue(iso(20, **b200), 72, 1.10)(SMALL).value == pytest.approx(72 * 4000 * 3 * 8760 * 3600 * 1.10 / 1e12)


@pytest.mark.parametrize(("value", "comes_out"), [(1250.0, True), (750.0, True), (1251.0, False), (None, False)])
def test_a_claim_comes_out_within_a_quarter(value: float | None, comes_out: bool) -> None:
    claim = Claim("c", 1000, "x", "s", lambda matrix: Found(value, "here"))
    assert claim.comes_out(claim.measure(SMALL)) == comes_out


def test_a_matrix_is_read_as_it_was_written(tmp_path: Path) -> None:
    kept = Matrix(SMALL.points, (("1k1k/x", "does not fit"),), {"model_version": "3", "constants_sha256": "abc"})
    kept.write(tmp_path / "m.json")
    assert Matrix.read(tmp_path / "m.json") == kept
    (tmp_path / "m.json").write_text("{}")
    with pytest.raises(UsageError, match="is no matrix"):
        Matrix.read(tmp_path / "m.json")
    with pytest.raises(UsageError, match="holds no sweep"):
        Matrix.of_sweep(tmp_path)
