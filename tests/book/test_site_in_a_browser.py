"""What the site promises in a browser: every page is opened once, at three widths and in two colors."""

from pathlib import Path

import pytest
from browsing import DESKTOP, PHONE, READY, SCROLL, TALLEST_SHIFT, Visit, settle, themed, watch
from site_files import page_names

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "vendor/axe-core/axe.min.js"
# What the theme does and we do not write: (rule, part of the element's HTML).
THEMES_OWN = (
    ("label-content-name-mismatch", "search-button"),
    ("region", "logo__title"),
)
AXE_RUN = """async (rules) => {
  const options = { resultTypes: ["violations"], ...(rules ? { runOnly: rules } : {}) };
  const result = await axe.run(document, options);
  return result.violations.flatMap((v) => v.nodes.map((n) => [v.id, n.html.slice(0, 300), n.failureSummary]));
}"""
WIDE = """() => {
  const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (over <= 0) return null;
  const guilty = [...document.querySelectorAll("article *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1);
  return `${over} px: ` + guilty.slice(0, 3).map((e) => e.outerHTML.slice(0, 120)).join(" | ");
}"""


@pytest.fixture(scope="module")
def visits(chromium, base) -> dict[str, Visit]:
    """One visit to each page: light on a desktop, then dark, then as wide as a phone."""
    context, found = themed(chromium, "light", DESKTOP), {}
    for name in page_names():
        visit = found[name] = Visit()
        page = context.new_page()
        watch(page, visit)
        page.goto(base + name, wait_until="load")
        settle(page, READY)
        visit.shift = page.evaluate("window.shift")
        settle(page, SCROLL)
        page.wait_for_load_state("networkidle")
        visit.formulas = page.locator("article .math").count()
        visit.unset = page.evaluate(
            "() => [...document.querySelectorAll('article .math')].filter((e) => !e.querySelector('mjx-container')"
            " || e.querySelector('mjx-merror')).map((e) => e.textContent.slice(0, 80))"
        )
        page.add_script_tag(path=AXE)
        visit.axe_light = [tuple(one) for one in settle(page, AXE_RUN)]
        page.evaluate(
            "document.documentElement.dataset.mode = document.documentElement.dataset.theme = 'dark'"
        )
        visit.axe_dark = [tuple(one) for one in settle(page, AXE_RUN, ["color-contrast"])]
        page.set_viewport_size(PHONE)
        visit.wide = page.evaluate(WIDE)
        page.close()
    context.close()
    return found


def test_every_page_asks_this_site_alone(visits, base):
    outside = {
        name: [url for url in visit.requests if not url.startswith((base, "data:", "blob:"))]
        for name, visit in visits.items()
    }
    assert {name: urls for name, urls in outside.items() if urls} == {}


def test_no_page_reports_an_error(visits):
    assert {name: visit.errors for name, visit in visits.items() if visit.errors} == {}


def test_every_formula_is_set(visits):
    assert {name: visit.unset for name, visit in visits.items() if visit.unset} == {}
    assert sum(visit.formulas for visit in visits.values()) > 0


def test_no_page_is_wider_than_a_phone(visits):
    assert {name: visit.wide for name, visit in visits.items() if visit.wide} == {}


def test_pages_are_accessible(visits):
    ours = [
        f"{name}: {rule} at {html}\n{why}"
        for name, visit in visits.items()
        for rule, html, why in visit.axe_light
        if not any(rule == known and part in html for known, part in THEMES_OWN)
    ]
    assert ours == [], "\n".join(ours)


def test_the_dark_pages_have_enough_contrast(visits):
    found = [f"{name}: {html}\n{why}" for name, visit in visits.items() for _, html, why in visit.axe_dark]
    assert found == [], "\n".join(found)


def test_pages_do_not_jump_while_they_load(visits):
    assert {name: visit.shift for name, visit in visits.items() if visit.shift > TALLEST_SHIFT} == {}
