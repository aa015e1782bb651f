"""Where the built site is, and what pages it has."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build/html"


def page_names() -> list[str]:
    """The site's pages, relative to its root, without the redirect to the start page and the theme's own samples."""
    names = (path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
    return sorted(name for name in names if not name.startswith("_") and name != "index.html")


def lessons() -> list[str]:
    """The pages that are notebooks."""
    return [name for name in page_names() if name.startswith("notebooks/")]
