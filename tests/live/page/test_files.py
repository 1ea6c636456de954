"""The page's files as they are handed out."""

import re

from imaxproxy.live.page import live_site

SITE = live_site()


def test_a_few_small_files() -> None:
    assert set(SITE) == {
        "/imax/",
        "/imax/page.css",
        *(f"/imax/{name}.js" for name in ("charts", "feed", "figures", "page", "panels", "tables")),
    }
    assert sum(len(asset.body) for asset in SITE.values()) < 200_000


def test_nothing_names_another_place() -> None:
    """The browser tests see what is asked for; this sees what might be."""
    for path, asset in SITE.items():
        found = re.findall(rb"https?://[\w.]+", asset.body)
        assert set(found) <= {b"http://www.w3.org"}, path  # the names of SVG, which nobody fetches
        assert not re.search(rb"\b(?:src|href)=\"/", asset.body), "a proxy may stand under a prefix"


def test_what_a_policy_forbids_is_not_there() -> None:
    page = SITE["/imax/"].body
    assert b" style=" not in page
    assert b" onclick=" not in page
    assert b"innerHTML" not in b"".join(asset.body for asset in SITE.values())
