"""A report as one HTML file that opens offline: data, style and scripts inside of it, nothing loaded from anywhere."""

from importlib.resources import files

import orjson

from imaxproxy.report.content import Report
from imaxproxy.report.page.payload import SCHEMA, payload_of

__all__ = ["SCHEMA", "page_of", "payload_of"]

_SCRIPTS = (
    *("text", "scale", "curve", "money", "model", "marks", "plot", "head", "choices", "frontier_chart", "iso_table"),
    *("percentile_chart", "timeline_chart", "waterfall_chart", "energy_chart", "assumptions", "cost_table"),
    *("compare_block", "run_list", "page"),
)
"""In the order in which they need each other."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""The browser itself sees to it that nothing is loaded and nothing leaves."""
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E"
    "%3Cpath d='M4 7c9 0 20 6 24 21' fill='none' stroke='%230b63b5' stroke-width='4' stroke-linecap='round'/%3E"
    "%3Ccircle cx='19' cy='14' r='4.5' fill='%23c9510c'/%3E%3C/svg%3E"
)


def page_of(report: Report, title: str, command: str | None = None) -> bytes:
    """The whole page in UTF-8. command: how it was made; it is printed at its end."""
    data = orjson.dumps(payload_of(report, title, command), option=orjson.OPT_NON_STR_KEYS)
    scripts = "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)
    parts = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f'<title>{_escaped(title)}</title>\n<link rel="icon" href="{_ICON}">\n',
        f"<style>\n{_asset('style.css')}</style>\n</head>\n<body>\n",
        "<noscript>This report is drawn by scripts inside of this file: allow them to see it.</noscript>\n",
        '<script type="application/json" id="data">',
        _inside_script(data).decode(),
        '</script>\n<script>\n"use strict";\nconst imax = {};\n',
        scripts,
        "</script>\n</body>\n</html>\n",
    )
    return "".join(parts).encode()


def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _inside_script(data: bytes) -> bytes:
    """JSON that no HTML parser takes for the end of its script: `<` is written as JSON's own escape."""
    return data.replace(b"<", b"\\u003c")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
