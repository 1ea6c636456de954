"""The DCGM exporter's page, over a socket."""

from pathlib import Path

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.power import SourceError, SourceLostError
from imaxproxy.power.dcgm import DcgmSource
from tests.power.serving import serving

PAGES = Path(__file__).parent.parent / "data" / "power"


def _page(name: str) -> str:
    return (PAGES / f"dcgm_{name}.txt").read_text()


def test_the_old_names_are_read() -> None:
    with serving(_page("old_names")) as page:
        source = DcgmSource(page.url)
        first, second = source.devices()
        assert (first.device, first.index, first.name, first.host) == ("GPU-aaaa", 0, "NVIDIA H200", "node-1")
        one, two = source.sample()
        assert (one.power_avg_w, one.power_w, one.energy_mj, one.sm_clock_mhz) == (512.345, None, 81231234567, 1980)
        assert (two.power_avg_w, two.energy_mj) == (76.1, None)  # DCGM's blank is no energy
        assert second.limit_w is None
        source.close()


def test_the_new_names_are_read() -> None:
    with serving(_page("new_names")) as page:
        source = DcgmSource(f"{page.url}/metrics")
        (device,), (sample,) = source.devices(), source.sample()
        assert (device.host, device.limit_w) == ("tray-3", 1200)
        assert (sample.power_avg_w, sample.power_w, sample.energy_mj) == (900.5, 1012.25, 5e9)
        source.close()


def test_rows_of_mig_instances_are_one_board() -> None:
    with serving(_page("mig")) as page:
        source = DcgmSource(page.url)
        (device,), (sample,) = source.devices(), source.sample()
        assert device.notes == ("mig",)
        assert (sample.energy_mj, sample.power_avg_w) == (1_000_000, 300)
        source.close()


def test_an_exporter_that_goes_is_lost_and_one_that_answers_again_is_read_again() -> None:
    with serving(_page("old_names")) as page:
        source = DcgmSource(page.url)
        page.status = 503
        with pytest.raises(SourceLostError, match="answers 503"):
            source.sample()
        page.status = 200
        assert len(source.sample()) == 2
        page.text = "# nothing\n"
        with pytest.raises(SourceLostError, match="no power any more"):
            source.sample()
    with pytest.raises(SourceLostError):
        source.sample()
    source.close()


def test_a_page_without_power_says_which_counters_to_add() -> None:
    page_text = 'DCGM_FI_DEV_SM_CLOCK{gpu="0",UUID="GPU-a"} 3\n'
    with serving(page_text) as page, pytest.raises(SourceError, match="needs DCGM_FI_DEV_POWER_USAGE"):
        DcgmSource(page.url)


def test_nobody_there_is_said() -> None:
    with serving("") as page:
        url = page.url
    with pytest.raises(SourceError, match=r"DCGM exporter http://127\.0\.0\.1"):
        DcgmSource(url)


@pytest.mark.parametrize("url", ["ftp://h", "http://", "http://h:port"])
def test_what_is_no_url_is_said(url: str) -> None:
    with pytest.raises(UsageError, match="is no URL"):
        DcgmSource(url)
