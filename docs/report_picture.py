"""Draws docs/report.png from a page (needs the extra `browser`):  .venv/bin/python docs/report_picture.py FILE.html"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright


def main() -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1240, "height": 1400}, color_scheme="light")
        page.goto(Path(sys.argv[1]).resolve().as_uri())
        place = page.locator("#frontier")
        place.scroll_into_view_if_needed()
        page.screenshot(path=Path(__file__).parent / "report.png", clip=place.bounding_box())
        browser.close()


if __name__ == "__main__":
    main()
