"""Keep every request on the site: nothing is loaded from elsewhere, nothing twice, nothing unused."""

from pathlib import Path
from urllib.parse import urlsplit

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
TEMPLATES = Path(__file__).resolve().parent.parent / "_templates"


def add_templates(app: Sphinx, config: Config) -> None:
    """Our templates come before the theme's: its icons then come from fonts, not from 1.5 MB of script."""
    config.templates_path.insert(0, str(TEMPLATES))


def clean_assets(app: Sphinx, pagename: str, template: str, context: dict, doctree: object) -> None:
    """Drop thebe (it asks a CDN), repeated inline scripts, and MathJax where a page has no formula.

    Sphinx loads MathJax also on pages that only list others with formulas. An asset from elsewhere is a warning.
    """
    has_formulas = app.env.get_domain("math").data["has_equations"].get(pagename, False)
    seen = set()
    kept = []
    for script in context.get("script_files", []):
        filename = str(getattr(script, "filename", script) or "")
        body = getattr(script, "attributes", {}).get("body") or ""
        if "thebe" in filename or "thebe" in body.lower():
            continue
        if not has_formulas and ("mathjax" in filename or body.startswith("window.MathJax")):
            continue
        if (filename, body) in seen:
            continue
        seen.add((filename, body))
        if is_external(filename):
            LOGGER.warning("page %s would load the script %s from outside the site", pagename, filename)
        kept.append(script)
    context["script_files"] = kept
    styles = []
    for style in context.get("css_files", []):
        filename = str(getattr(style, "filename", style) or "")
        if "thebe" in filename:
            continue
        if is_external(filename):
            LOGGER.warning("page %s would load the style sheet %s from outside the site", pagename, filename)
        styles.append(style)
    context["css_files"] = styles


def is_external(url: str) -> bool:
    """Whether a URL names a host."""
    return bool(urlsplit(url).netloc)


def setup(app: Sphinx) -> None:
    app.connect("config-inited", add_templates)
    app.connect("html-page-context", clean_assets, priority=900)
