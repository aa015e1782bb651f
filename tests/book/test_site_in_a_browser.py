"""What the site promises in a browser: every page is opened once, at three widths and in two colors."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from site_files import page_names

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "vendor/axe-core/axe.min.js"
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 900}
TALLEST_SHIFT = 0.1  # of the layout while a page loads; what Lighthouse calls good
LARGEST = 2_000_000  # bytes over the wire, of the page of a lesson with all that it asks for
# What the theme does and we do not write: (rule, part of the element's HTML).
THEMES_OWN = (
    ("label-content-name-mismatch", "search-button"),
    ("region", "logo__title"),
)
READY = "async () => { if (window.MathJax?.startup?.promise) await window.MathJax.startup.promise; }"
SHOWN = "async () => { await document.fonts.ready; await new Promise((done) => setTimeout(done, 300)); }"
SCROLL = """async () => {
  const step = innerHeight;
  for (let y = 0; y < document.documentElement.scrollHeight; y += step) {
    scrollTo({ top: y, behavior: "instant" });
    // A page that the browser takes for hidden gets no frames: do not wait for one for ever.
    await new Promise((done) => { requestAnimationFrame(() => setTimeout(done, 20)); setTimeout(done, 500); });
  }
  scrollTo({ top: 0, behavior: "instant" });
}"""
LONGEST = 60  # seconds that a script on a page may take
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


@dataclass
class Visit:
    """What one page did."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    formulas: int = 0
    unset: list[str] = field(default_factory=list)
    axe_light: list[tuple] = field(default_factory=list)
    axe_dark: list[tuple] = field(default_factory=list)
    wide: str | None = None
    shift: float = 0.0


def watch(page, visit: Visit) -> None:
    """Collect what the page asks for and complains about."""
    page.on("request", lambda request: visit.requests.append(request.url))
    page.on("console", lambda message: visit.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on(
        "response",
        lambda answer: visit.errors.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None,
    )


def settle(page, script: str, argument=None):
    """What an async function on the page returns; an error, not a test that hangs, where it never does."""
    return page.evaluate(
        f"""(argument) => Promise.race([
          ({script})(argument),
          new Promise((_, fail) => setTimeout(() => fail(new Error("not done in {LONGEST} s")), {1000 * LONGEST})),
        ])""",
        argument,
    )


def themed(chromium, theme: str, size: dict):
    """A browser window that prefers one of the two themes."""
    context = chromium.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce")
    context.add_init_script(f"localStorage.mode = localStorage.theme = '{theme}'")
    context.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach("
        "(e) => { if (!e.hadRecentInput) window.shift += e.value; })).observe({ type: 'layout-shift', buffered: true })"
    )
    return context


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


def test_pictures_that_come_late_move_nothing(chromium, base):
    context, shifts, held = themed(chromium, "light", DESKTOP), {}, []
    context.route("**/_images/*", lambda route, request: held.append(route))
    for name in page_names():
        page = context.new_page()
        page.goto(base + name, wait_until="domcontentloaded")
        settle(page, READY)
        if held:
            settle(page, SHOWN)
            for route in held:
                route.continue_()
            held.clear()
            page.wait_for_load_state("load")
            settle(page, SHOWN)
            shifts[name] = page.evaluate("window.shift")
        page.close()
    context.close()
    assert set(lessons()) <= set(shifts)
    assert {name: shift for name, shift in shifts.items() if shift > TALLEST_SHIFT} == {}


def test_the_book_works_from_a_folder(chromium, site):
    context, wrong = themed(chromium, "light", DESKTOP), {}
    for name in page_names():
        visit, page = Visit(), context.new_page()
        watch(page, visit)
        page.goto((site / name).as_uri(), wait_until="load")
        settle(page, READY)
        outside = [url for url in visit.requests if not url.startswith(("file:", "data:", "blob:"))]
        unset = page.evaluate("document.querySelectorAll('article .math:not(:has(mjx-container))').length")
        if outside or visit.errors or unset:
            wrong[name] = outside, visit.errors, unset
        page.close()
    context.close()
    assert wrong == {}


def test_the_root_of_the_site_leads_to_the_start_page(chromium, site, base):
    context = themed(chromium, "light", DESKTOP)
    for root in (base, (site / "index.html").as_uri()):
        page = context.new_page()
        page.goto(root)
        page.wait_for_url("**/book/index.html")
        page.close()
    context.close()


def lessons() -> list[str]:
    return [name for name in page_names() if name.startswith("notebooks/")]


def test_the_page_of_a_lesson_is_under_two_megabytes_in_all(chromium, base):
    sizes = {}
    for name in lessons():
        context = themed(chromium, "light", DESKTOP)
        page, received = context.new_page(), []
        network = context.new_cdp_session(page)
        network.send("Network.enable")
        network.on(
            "Network.loadingFinished", lambda event, sink=received: sink.append(event["encodedDataLength"])
        )
        page.goto(base + name, wait_until="load")
        settle(page, READY)
        settle(page, SCROLL)
        page.wait_for_load_state("networkidle")
        sizes[name] = sum(received)
        context.close()
    print({name: f"{size / 1e6:.2f} MB" for name, size in sizes.items()})
    assert sizes
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}


def test_sliders_without_a_kernel_work_from_the_keyboard(chromium, base):
    context, moved = themed(chromium, "light", DESKTOP), 0
    for name in lessons():
        page = context.new_page()
        page.goto(base + name, wait_until="load")
        for box in page.locator(".fm-slider").all():
            slider, picture = box.locator("input[type=range]"), box.locator("img")
            before = slider.get_attribute("aria-valuetext"), picture.get_attribute("src")
            at_the_end = slider.input_value() == slider.get_attribute("max")
            slider.focus()
            page.keyboard.press("ArrowLeft" if at_the_end else "ArrowRight")
            after = slider.get_attribute("aria-valuetext"), picture.get_attribute("src")
            assert before[0] != after[0], name
            assert before[1] != after[1], name
            assert picture.get_attribute("alt"), name
            moved += 1
        page.close()
    context.close()
    assert moved > 0, "no lesson has a slider that works without a kernel"


def test_the_search_finds_a_word_and_leads_to_it(chromium, base):
    context = themed(chromium, "light", DESKTOP)
    page = context.new_page()
    page.goto(f"{base}search.html?q=temperature", wait_until="load")
    results = page.locator("#search-results li a")
    results.first.wait_for(timeout=20_000)
    assert results.count() > 1
    results.first.click()
    page.wait_for_load_state("load")
    assert "temperature" in page.locator("article").inner_text().lower()
    context.close()


def test_the_search_opens_from_the_keyboard_on_any_page(chromium, base):
    context = themed(chromium, "light", DESKTOP)
    page = context.new_page()
    page.goto(f"{base}book/glossary.html", wait_until="load")
    page.keyboard.press("Control+k")
    page.locator("#pst-search-dialog input[type=search]").wait_for(state="visible")
    page.keyboard.type("queue")
    page.keyboard.press("Enter")
    page.locator("#search-results li a").first.wait_for(timeout=20_000)
    context.close()


def test_the_first_tab_leads_past_the_navigation(chromium, base):
    context = themed(chromium, "light", DESKTOP)
    page = context.new_page()
    page.goto(f"{base}book/glossary.html", wait_until="load")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main-content"
    context.close()


def test_the_color_button_changes_the_page(chromium, base):
    context = chromium.new_context(viewport=DESKTOP, color_scheme="light")
    page = context.new_page()
    page.goto(f"{base}book/glossary.html", wait_until="load")
    seen = set()
    for _ in range(3):
        page.locator(".theme-switch-button:visible").first.click()
        seen.add(page.evaluate("document.documentElement.dataset.theme"))
    assert seen == {"light", "dark"}
    context.close()


def test_an_address_that_does_not_exist_shows_the_way_back(chromium, base):
    context = themed(chromium, "dark", PHONE)
    page = context.new_page()
    answer = page.goto(f"{base}no/such/page.html", wait_until="load")
    assert answer.status == 404
    page.locator("#home").click()
    page.wait_for_url("**/book/index.html")
    context.close()
