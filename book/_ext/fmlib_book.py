"""The book's Sphinx extension: own assets only, notebook headers, and numbers from the ledger.

Each part is a module beside this one; here they are joined, and the repository's address is read once.
"""

import hashlib
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT / "tools")]

import fmlib_assets  # noqa: E402
import fmlib_lessons  # noqa: E402
import fmlib_notebook  # noqa: E402
import fmlib_pages  # noqa: E402
import fmlib_results  # noqa: E402
import fmlib_tables  # noqa: E402
import repository  # noqa: E402

COLAB = "https://colab.research.google.com"
BINDER = "https://mybinder.org"


def own_sources(app: Sphinx, config: Config) -> None:
    """A change of this extension or its templates makes every page anew, as a change of a setting does."""
    digest = hashlib.sha256()
    for path in sorted(
        path for folder in ("_ext", "_templates") for path in (HERE.parent / folder).rglob("*")
    ):
        if path.suffix in (".py", ".html"):
            digest.update(path.read_bytes())
    config.fmlib_sources = digest.hexdigest()


def use_repository(app: Sphinx, config: Config) -> None:
    """Turn repository and launch buttons on where the address is known, and off where it is not."""
    config.fmlib_repository = repository.address(ROOT) or ""
    options = config.html_theme_options
    for key in ("repository_url", "launch_buttons", "use_repository_button", "use_issues_button"):
        options.pop(key, None)
    if config.fmlib_repository:
        options["repository_url"] = config.fmlib_repository
        options["repository_branch"] = config.fmlib_branch
        options["use_repository_button"] = True
        options["use_issues_button"] = True
        options["launch_buttons"] = {
            "colab_url": COLAB,
            "binderhub_url": BINDER,
            "notebook_interface": "jupyterlab",
        }


def fill_in_address(app: Sphinx, docname: str, source: list[str]) -> None:
    """Where a page says how to clone the repository, put the address, if it is known."""
    if app.config.fmlib_repository:
        source[0] = source[0].replace(
            f"git clone {repository.NO_ADDRESS}", f"git clone {app.config.fmlib_repository}"
        )


def setup(app: Sphinx) -> dict:
    app.add_config_value("fmlib_repository", "", "html")
    app.add_config_value("fmlib_branch", "main", "html")
    app.add_config_value("fmlib_sources", "", "env")
    app.connect("config-inited", own_sources, priority=400)
    app.connect("config-inited", use_repository, priority=400)
    app.connect("source-read", fill_in_address)
    fmlib_assets.setup(app)
    fmlib_notebook.setup(app, colab=COLAB, binder=BINDER)
    fmlib_pages.setup(app)
    fmlib_results.setup(app, ROOT)
    fmlib_lessons.setup(app)
    fmlib_tables.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
