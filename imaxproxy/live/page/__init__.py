"""The live page: a few files that a browser loads from the proxy, and nothing from elsewhere."""

from pathlib import Path

from imaxproxy.proxy import Asset, Site

_FOLDER = Path(__file__).parent
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


def live_site() -> Site:
    """The page's files by their paths: `/imax/` is the page itself."""
    files = [path for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES]
    return {
        f"/imax/{'' if path.name == 'page.html' else path.name}": Asset(path.read_bytes(), _TYPES[path.suffix])
        for path in files
    }
