"""The page in a real Chromium, at desktop and phone width."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import DESKTOP, PHONE, Opened, opened
from runs.made_run import ENGINE, answered, make_run

from imaxproxy.economics import (
    Frontier,
    Owner,
    Spot,
    electricity_usd_per_million_tokens,
    provisioned_j_per_token,
    tokens_per_s_per_mw,
    usd_per_million_tokens,
)
from imaxproxy.metrics import t_interval
from imaxproxy.report.content import SIMULATED, Report, gather
from imaxproxy.report.page import page_of
from imaxproxy.runs.axes import AXES
from report.page.conftest import CHAT

pytestmark = pytest.mark.browser
SECTIONS = ["frontier", "latency", "timeline", "requests", "energy", "cost", "runs"]


@pytest.fixture
def desktop(browser: Any, page_file: Path) -> Iterator[Opened]:  # noqa: ANN401
    with opened(browser, page_file) as found:
        yield found
        assert found.complaints == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_it_renders_without_a_complaint_a_request_or_a_sideways_scroll(
    browser: Any,  # noqa: ANN401
    page_file: Path,
    size: tuple[int, int],
    colours: str,
) -> None:
    with opened(browser, page_file, size, color_scheme=colours) as found:
        page = found.page
        page.wait_for_function("document.documentElement.dataset.ready === 'yes'")
        assert [each.get_attribute("id") for each in page.query_selector_all("main > section")] == SECTIONS
        for section in SECTIONS[:-2]:
            page.locator(f"#{section}").scroll_into_view_if_needed()
            page.wait_for_selector(f"#{section} .plot svg")
        assert page.locator("#frontier .series").count() == 3  # two of chat, one that others published
        page.locator("details.run summary").first.click()
        assert found.complaints == []
        assert [url for url in found.requests if not url.startswith(("file:", "data:"))] == []
        assert found.overflow_px == 0


def test_it_is_ready_soon(desktop: Opened) -> None:
    """Of the browser's own clock: from the navigation to the end of the script."""
    entry = desktop.page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    assert entry < 5000  # a busy machine; docs/report.md has what a quiet one takes


def test_texts_of_a_chart_do_not_lie_on_each_other(desktop: Opened) -> None:
    for section in ("frontier", "latency", "energy"):
        boxes = desktop.page.evaluate(
            """(id) => [...document.querySelectorAll(`#${id} .plot svg text:not(.watermark)`)]
                .filter((text) => text.textContent.length > 1)
                .map((text) => [text.textContent, text.getBoundingClientRect()])
                .map(([text, box]) => [text, box.left, box.top + 3, box.right, box.bottom - 3])""",
            section,
        )
        assert len(boxes) > 5
        for place, (text, *a) in enumerate(boxes):
            for other, *b in boxes[place + 1 :]:
                assert not (a[0] < b[2] and a[2] > b[0] and a[1] < b[3] and a[3] > b[1]), f"{text} on {other}"


def test_filters_take_points_away_and_warnings_say_what_is_mixed(desktop: Opened) -> None:
    page = desktop.page

    def marks() -> int:
        return int(page.locator("#frontier .series > g").count())

    def chip(dimension: str, option: str) -> Any:  # noqa: ANN401
        return page.locator(f".filter[data-dimension={dimension}] .chip", has_text=option).first

    before = marks()
    assert "Simulated points stand beside measured ones" in page.locator("#frontier .notice").first.inner_text()
    chip("kind", "simulated").click()
    assert marks() == before - 3
    assert "Simulated" not in page.locator("#frontier .notice").first.inner_text()
    chip("workload", "code").click()
    assert marks() == before - 2
    assert "Different workloads are shown together" in page.locator("#frontier .notice").first.inner_text()
    for option in ("measured", "published"):
        chip("kind", option).click()
    assert "No point passes the filters" in page.locator("#frontier .plot svg").text_content()
    assert page.locator(".filter .chip[aria-pressed=false]").count() >= 3


def test_machines_without_an_overlap_are_not_compared_and_it_is_said(desktop: Opened) -> None:
    page = desktop.page
    assert "×" in page.locator("#iso").inner_text()  # b200 and what was published reach the same speeds
    page.locator(".filter[data-dimension=kind] .chip", has_text="published").dblclick()
    page.locator(".filter[data-dimension=kind] .chip", has_text="published").click()
    assert "No point passes" in page.locator("#frontier .plot svg").text_content()
    for option in ("simulated", "measured"):
        page.locator(".filter[data-dimension=kind] .chip", has_text=option).click()
    assert "No two machines were measured at the same value" in page.locator("#frontier").inner_text()
    assert "not reached" in page.locator("#iso").inner_text()
    assert "×" not in page.locator("#iso").inner_text()


def test_simulated_points_are_hollow_dashed_and_marked(desktop: Opened, report: Report) -> None:
    page = desktop.page
    machines = [point.machine for point in report.points if point.kind == SIMULATED]
    assert len(set(machines)) == 1
    drawn = page.evaluate(
        """() => [...document.querySelectorAll('#frontier .series')].map((group) => {
            const machine = imax.model.machines[group.dataset.machine];
            return [machine.simulated, group.querySelector('path').getAttribute('stroke-dasharray'),
                [...group.querySelectorAll(':scope > g > path')].map((mark) => mark.getAttribute('fill'))];
        })"""
    )
    hollow = [each for each in drawn if each[0]]
    assert len(hollow) == 1
    assert hollow[0][1] == "6 4"
    assert set(hollow[0][2]) == {"var(--card)"}
    assert all("var(--card)" not in fills for simulated, _, fills in drawn if not simulated)
    assert "SIMULATED" in page.locator("#frontier svg .watermark").text_content()
    assert page.locator("#frontier .legend .tag.sim").count() == 1
    assert page.locator("#frontier .error-bar").count() > 0


def test_hover_keys_and_a_click_show_the_whole_point(desktop: Opened) -> None:
    page = desktop.page
    chart = page.locator("#frontier .plot svg")
    chart.focus()
    page.keyboard.press("ArrowRight")
    first = page.locator("#frontier .tip").inner_text()
    for word in ("TTFT p50 / p99", "E2E p50 / p99", "tokens/s/GPU, all / out", "$/M, all / output", "J/output token"):
        assert word in first
    page.keyboard.press("ArrowRight")
    assert page.locator("#frontier .tip").inner_text() != first
    page.keyboard.press("Enter")
    assert page.locator("#operating-point").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#frontier .tip").count() == 0
    box = page.locator("#frontier .series > g > path").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.locator("#frontier .tip").count() == 1
    page.locator("#operating-point a").first.click()
    assert page.locator("details.run[open]").count() == 1


def test_a_tap_on_a_phone_shows_the_whole_point(browser: Any, page_file: Path) -> None:  # noqa: ANN401
    with opened(browser, page_file, PHONE) as found:
        mark = found.page.locator("#frontier .series > g > path").nth(1)
        mark.scroll_into_view_if_needed()
        box = mark.bounding_box()
        found.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert "TTFT p50 / p99" in found.page.locator("#frontier .tip").inner_text()
        assert found.overflow_px == 0
        assert found.complaints == []


def test_axes_and_logs_redraw_the_chart(desktop: Opened) -> None:
    page = desktop.page
    options = page.evaluate("[...document.querySelectorAll('#axis-x option')].map((each) => each.value)")
    assert {"interactivity", "e2e_interactivity_p99", "ttft_p50", "ttft_p90", "e2e_p99"} <= set(options)
    for x, y in (("ttft_p99", "usd_output"), ("e2e_p50", "total_per_mw"), ("e2e_interactivity_p90", "j_output")):
        page.select_option("#axis-x", x)
        page.select_option("#axis-y", y)
        for log in ("#log-x", "#log-y"):
            page.locator(log).click()
            titles = page.locator("#frontier svg .axis-title").all_text_contents()
            assert page.evaluate("imax.model.axes[imax.model.state.y].label") in titles
            assert page.locator("#frontier .series").count() > 0
    assert "NaN" not in page.locator("#frontier .plot").inner_html()


def test_the_curve_is_the_one_of_economics(desktop: Opened, report: Report) -> None:
    """Same frontier, same y between its points, on every pair of axes that a machine has."""
    pairs = ("interactivity total_per_gpu", "ttft_p90 usd_output", "e2e_p50 j_output", "tpot_p50 ttft_p99")
    curves = {(point.machine, point.facts.get("workload")) for point in report.points}
    drawn = 0
    for x, y in map(str.split, pairs):
        for curve in curves:
            of_curve = [point for point in report.points if (point.machine, point.facts.get("workload")) == curve]
            if points := [point for point in of_curve if {x, y} <= set(point.values)]:
                drawn += 1
                _same_curve(desktop.page, x, y, [(point.values[x].mean, point.values[y].mean) for point in points])
    assert drawn >= 2 * len(pairs)


def _same_curve(page: Any, x: str, y: str, points: list[tuple[float, float]]) -> None:  # noqa: ANN401
    spots = [Spot(t_interval([at_x]), t_interval([at_y])) for at_x, at_y in points]
    front = Frontier(AXES[x][0], AXES[y][0], spots)
    least, most = front.reach
    xs = [least + (most - least) * step / 13 for step in range(14)] + [least - 1, most + 1]
    kept, values = page.evaluate(
        """([points, x, y, xs]) => {
            const given = points.map(([x, y]) => ({ x, y }));
            const { kept, at } = imax.curve.frontier(given, imax.model.axes[x], imax.model.axes[y]);
            return [kept.length, xs.map(at)];
        }""",
        [points, x, y, xs],
    )
    assert kept == len(front.spots)
    for at, value in zip(xs, values, strict=True):
        wanted = front.at(at)
        assert value == (None if wanted is None else pytest.approx(wanted.y, rel=1e-9))


OWNERS = [
    Owner(40_000),
    Owner(55_000, years=3, interest=0.1, residual=0.2, fixed_usd_per_gpu_year=900, colocation_usd_per_kw_month=195),
    Owner(1.0, years=0.5, interest=1e-9, drawn_share=0.6, availability=0.9),
]


@pytest.mark.parametrize("owner", OWNERS)
def test_the_owners_hour_is_that_of_economics(desktop: Opened, owner: Owner) -> None:
    fields = {name: getattr(owner, name) for name in owner.__slots__}
    found = desktop.page.evaluate("([owner]) => imax.money.ownersHour(owner, 1.71, 1.3, 0.081)", [fields])
    wanted = owner.cost(1.71, 1.3, 0.081)
    assert found["usd"] == pytest.approx(wanted.usd, rel=1e-9)
    assert found["capital"] == pytest.approx(wanted.capital_usd, rel=1e-9)


def test_costs_start_as_pythons_and_follow_what_is_typed(desktop: Opened, report: Report) -> None:
    page = desktop.page

    def value(point: int, axis: str) -> float:
        return float(page.evaluate("([i, axis]) => imax.model.value(imax.model.points[i], axis).mean", [point, axis]))

    for place, point in enumerate(report.points):
        for axis in ("usd_total", "usd_output", "total_per_mw", "output_per_mw"):
            if axis in point.values:
                assert value(place, axis) == pytest.approx(point.values[axis].mean, rel=2e-4)
    price = page.locator("#assumptions fieldset", has_text="B200")
    price.get_by_label("$/GPU-hour").fill("4.2")
    price.get_by_label("kW/GPU").fill("2")
    price.get_by_label("PUE").fill("1.1")
    page.get_by_label("utilisation").fill("0.5")
    page.get_by_label("power, $/kWh").fill("0.2")
    place = next(i for i, point in enumerate(report.points) if point.facts["gpu"] == "b200" and point.runs)
    hours, rate = report.points[place].gpu_hours["output"].mean, report.points[place].values["total_per_gpu"].mean
    of_output = 1e6 / 3600 / hours
    wanted = usd_per_million_tokens(4.2, of_output)
    assert wanted is not None
    assert value(place, "usd_output") == pytest.approx(wanted / 0.5, rel=1e-4)
    assert value(place, "total_per_mw") == pytest.approx(tokens_per_s_per_mw(rate, 2 * 1.1), rel=1e-4)
    power = page.evaluate("([hours]) => imax.money.electricityUsd(hours, 2, 'it', 1.1, 0.2)", [hours])
    joules = provisioned_j_per_token(of_output, 2)
    assert power == pytest.approx(electricity_usd_per_million_tokens(joules, 0.2, 1.1), rel=1e-9)
    page.get_by_role("button", name="back to the report's").click()
    assert value(place, "usd_output") == pytest.approx(report.points[place].values["usd_output"].mean, rel=2e-4)


def test_what_is_no_price_is_not_taken(desktop: Opened) -> None:
    page = desktop.page
    box = page.locator("#assumptions fieldset", has_text="B200").get_by_label("$/GPU-hour")
    before = page.evaluate("imax.model.usdPerGpuHour('b200')")
    box.fill("-1")
    assert page.evaluate("imax.model.usdPerGpuHour('b200')") == before
    assert box.evaluate("(each) => each.validationMessage") != ""


def test_an_owners_price_shows_its_terms_and_selling_shows_a_margin(desktop: Opened) -> None:
    page = desktop.page
    page.locator("#assumptions fieldset", has_text="B200").get_by_label("price of b200").select_option("own")
    assert "A GPU-hour comes to" in page.locator("[data-hour=b200]").inner_text()
    assert page.locator("#cost-table th", has_text="margin").count() == 0
    page.get_by_label("sell output, $/M").fill("40")
    assert page.locator("#cost-table th", has_text="margin").count() == 1


def test_timeline_and_requests_follow_the_run_that_is_chosen(desktop: Opened, report: Report) -> None:
    page = desktop.page
    other = str(max(report.details))
    page.locator("#timeline select").select_option(other)
    assert page.locator("#requests select").first.input_value() == other
    assert page.locator("#timeline path").count() >= 4
    failing = next(place for place in report.details if report.runs[place].requests["failed"])
    page.locator("#requests select").first.select_option(str(failing))
    page.select_option("#bars", "failed")
    assert page.locator("#requests .plot rect[stroke='var(--bad)']").count() == 1
    page.locator("#requests .plot").first.hover(position={"x": 20, "y": 8})
    assert "<img" in page.locator("#requests .tip").inner_text()  # as text
    assert page.locator("#requests .tip img").count() == 0


def test_distributions_are_drawn_to_their_tails(desktop: Opened) -> None:
    page = desktop.page
    for metric in page.evaluate("[...document.querySelectorAll('#metric option')].map((each) => each.value)"):
        page.select_option("#metric", metric)
        assert page.locator("#latency .plot path").count() >= 2
    page.locator("#latency input[type=checkbox]").click()
    page.locator("#latency .plot svg").hover()
    assert "max" in page.locator("#latency .tip").inner_text() or " p" in page.locator("#latency .tip").inner_text()


def test_two_runs_of_one_trace_are_compared(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    for name, gap_ms in (("before", 10.0), ("after", 20.0)):
        exchanges = [answered(at / 4, [gap_ms] * 20, request_id=f"r{at}") for at in range(20)]
        make_run(tmp_path / name, exchanges, trace=CHAT, engine=ENGINE | {"version": name})
    report = gather([tmp_path / "before", tmp_path / "after"])
    page = tmp_path / "page.html"
    page.write_bytes(page_of(report, report.title))
    with opened(browser, page, PHONE) as found:
        text = found.page.locator("#compare").inner_text()
        assert "20 requests held against themselves" in text
        row = found.page.locator("#compare tr", has_text="tpot, request by request").inner_text()
        assert "REGRESSION" in row
        assert "+100 %" in row
        assert found.overflow_px == 0
        assert found.complaints == []


def test_runs_say_their_validity_and_the_command_to_play_them_again(desktop: Opened, report: Report) -> None:
    page = desktop.page
    assert page.locator("details.run").count() == len(report.runs)
    page.locator("details.run summary").first.click()
    body = page.locator("details.run .body").first.inner_text()
    assert "meter" in body
    assert "energy" in body
    assert page.locator("footer pre").inner_text() == "imaxproxy report runs -o report.html"
