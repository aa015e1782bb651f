"""What the site promises in a browser: every page is opened once, at three widths and in two colors."""

from pathlib import Path

import pytest
from browsing import (
    DESKTOP,
    FIRST,
    PHONE,
    READY,
    SCROLL,
    SHOWN,
    SMALL_PHONE,
    TALLEST_SHIFT,
    Visit,
    settle,
    themed,
    watch,
    weigh,
)
from site_files import lessons, page_names

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "vendor/axe-core/axe.min.js"
# What the theme does and we do not write: (rule, part of the element's HTML).
THEMES_OWN = (
    ("label-content-name-mismatch", "search-button"),
    ("region", "logo__title"),
)
AXE_RUN = """async (options) => {
  const result = await axe.run(document, { resultTypes: ["violations"], ...options });
  return result.violations.flatMap((v) => v.nodes.map((n) => [v.id, n.html.slice(0, 300), n.failureSummary]));
}"""
WIDE = """() => {
  const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (over <= 0) return null;
  const guilty = [...document.querySelectorAll("article *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1);
  return `${over} px: ` + guilty.slice(0, 3).map((e) => e.outerHTML.slice(0, 120)).join(" | ");
}"""


# The colored words of code are thousands of spans of few kinds, and all rules look at each. Of each kind (its classes and
# those of all around it) one stays, the others become text; so the page looks as before.
THIN = """() => {
  const kinds = new Map(), seen = new Set();
  const kind = (e) => {
    if (!e || e.tagName === "ARTICLE") return "";
    if (!kinds.has(e)) kinds.set(e, kind(e.parentElement) + "|" + e.tagName + e.className + (e.getAttribute("style") ?? ""));
    return kinds.get(e);
  };
  for (const e of document.querySelectorAll("pre span")) {
    if ([...e.attributes].some(({ name }) => name !== "class" && name !== "style")) continue;
    const one = kind(e);
    if (seen.has(one)) e.replaceWith(...e.childNodes); else seen.add(one);
  }
}"""
SMALL_FIGURES = """() => [...document.querySelectorAll(".fm-figure")].flatMap((box) => {
  const least = parseFloat(box.style.getPropertyValue("--fm-least")), picture = box.querySelector("img");
  if (!picture.checkVisibility()) return [];
  const shown = picture.getBoundingClientRect().width;
  return shown >= least - 1 ? [] : [`${picture.alt.slice(0, 60)}: ${shown} of ${least} px`];
})"""
SIZES = """() => ["h1", "h2", "h3"].map((tag) => {
  const one = [...document.querySelectorAll("article " + tag)].find((e) => e.checkVisibility());
  return one ? parseFloat(getComputedStyle(one).fontSize) : null;
}).filter((size) => size !== null)"""
LARGEST = 2_000_000  # bytes over the wire, of the page of a lesson with all that it asks for


def come(page, address: str, visit: Visit) -> None:
    """Load a page whose pictures come late: after everything else has its place."""
    held, late = [], []
    page.route("**/_images/*", lambda route, request: route.continue_() if late else held.append(route))
    page.goto(address, wait_until="domcontentloaded")
    settle(page, READY)
    settle(page, SHOWN)
    visit.pictures = len(held)
    late.append(True)
    for route in held:
        route.continue_()
    page.wait_for_load_state("load")
    settle(page, SHOWN)
    visit.shift = page.evaluate("window.shift")


@pytest.fixture(scope="module")
def visits(chromium, base) -> dict[str, Visit]:
    """One first visit to each page: light on a desktop, then dark, then as wide as two phones."""
    found = {}
    for name in page_names():
        visit = found[name] = Visit()
        context = themed(chromium, "light", DESKTOP)
        page = context.new_page()
        watch(page, visit)
        weigh(page, visit)
        come(page, base + name, visit)
        settle(page, SCROLL)
        page.wait_for_load_state("networkidle")
        visit.formulas = page.locator("article .math").count()
        visit.unset = page.evaluate(
            "() => [...document.querySelectorAll('article .math')].filter((e) => !e.querySelector('mjx-container')"
            " || e.querySelector('mjx-merror')).map((e) => e.textContent.slice(0, 80))"
        )
        page.add_script_tag(path=AXE)
        page.evaluate(THIN)
        visit.axe_light = [tuple(one) for one in settle(page, AXE_RUN, {})]
        page.evaluate(
            "document.documentElement.dataset.mode = document.documentElement.dataset.theme = 'dark'"
        )
        visit.axe_dark = [tuple(one) for one in settle(page, AXE_RUN, {"runOnly": ["color-contrast"]})]
        page.set_viewport_size(PHONE)
        page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
        visit.small, visit.sizes, visit.first = (
            page.evaluate(what) for what in (SMALL_FIGURES, SIZES, FIRST)
        )
        page.set_viewport_size(SMALL_PHONE)
        visit.wide = page.evaluate(WIDE)
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


def test_pages_do_not_jump_while_they_load_and_when_their_pictures_come_late(visits):
    assert all(visits[name].pictures > 0 for name in lessons())
    assert {name: visit.shift for name, visit in visits.items() if visit.shift > TALLEST_SHIFT} == {}


def test_the_page_of_a_lesson_is_under_two_megabytes_in_all(visits):
    sizes = {name: visits[name].received for name in lessons()}
    print({name: f"{size / 1e6:.2f} MB" for name, size in sizes.items()})
    assert sizes
    assert min(sizes.values()) > 100_000  # so that the bytes were counted
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}


def test_a_phone_shows_figures_with_readable_text(visits):
    assert {name: visit.small for name, visit in visits.items() if visit.small} == {}


def test_headings_on_a_phone_are_the_smaller_the_deeper(visits):
    sizes = {name: visit.sizes for name, visit in visits.items()}
    assert {name: some for name, some in sizes.items() if some != sorted(set(some), reverse=True)} == {}


def test_a_lesson_opens_with_title_promise_and_minutes_on_a_phone(visits):
    for name in lessons():
        assert visits[name].first == ["title", "minutes", "promise"], name
