"""Files that the proxy hands out to browsers: the live page. They hold no figures; those are behind `/imax/live`."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src data:",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""A page that may ask this proxy, and nobody else, for anything."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file and its media type."""

    body: bytes
    content_type: str


Site = Mapping[str, Asset]
"""By path."""


def asset_page(asset: Asset) -> web.Response:
    headers = {
        "Server": "imaxproxy",
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
        "Content-Type": asset.content_type,
    }
    return web.Response(body=asset.body, headers=headers)
