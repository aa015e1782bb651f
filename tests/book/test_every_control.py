"""Every control of every page does something true, or says that it wants a running notebook; what a reader sees first."""

import pytest
from browsing import DESKTOP, FIRST, PHONE
from site_files import lessons, page_names

pytestmark = pytest.mark.browser

# Moves each control that can be seen and looks for a change: in its own box of a slider or a quiz, else anywhere on the
# page. -> (how many of each kind moved, what moved nothing).
MOVE = """async () => {
  print = () => document.documentElement.setAttribute("data-printed", Math.random());
  const moved = {}, dead = [];
  const seen = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getBoundingClientRect().width > 0;
  const tell = (e) => (e.outerHTML.slice(0, 120) + " in " + (e.closest("[id]")?.id ?? "")).replace(/data:[^"]*/, "...");
  const frozen = (e) => e.closest(".fmlib-frozen");
  const count = (kind) => { moved[kind] = (moved[kind] ?? 0) + 1; };
  const shut = () => document.querySelectorAll("dialog[open]").forEach((d) => d.close());
  // True as soon as anything changes, false after a while.
  const changes = (scope, act, ignore) => new Promise((done) => {
    const watch = new MutationObserver((all) => {
      if (all.some((one) => one.target !== ignore)) { watch.disconnect(); done(true); }
    });
    watch.observe(scope, { attributes: true, childList: true, subtree: true, characterData: true });
    // The words of a whole page take long to gather; they change only where an element does.
    const read = () => scope === document.documentElement ? "" : scope.innerText;
    const words = read(), height = scope.scrollHeight, at = document.activeElement;
    act();
    setTimeout(() => {
      watch.disconnect();
      done(read() !== words || scope.scrollHeight !== height || document.activeElement !== at);
    }, 200);
  });
  for (const e of document.querySelectorAll("input[type=range], input[type=number], textarea, select")) {
    if (frozen(e) || !seen(e)) continue;
    const box = e.closest("figure, section, form") ?? document.body;
    const before = box.querySelector("img")?.src, words = box.innerText;
    e.value = e.type === "range" ? (e.value === e.max ? e.min : e.max) : e.value + "1";
    e.dispatchEvent(new Event("input", { bubbles: true }));
    e.dispatchEvent(new Event("change", { bubbles: true }));
    const other = !before || box.querySelector("img").src !== before;
    if (box.innerText !== words && other) count("range"); else dead.push(tell(e));
  }
  for (const quiz of document.querySelectorAll(".fmlib-quiz")) {
    for (const question of quiz.querySelectorAll("fieldset")) {
      const said = question.querySelector("[role=status]");
      for (const choice of question.querySelectorAll("input")) {
        choice.click();
        question.querySelector("button").click();
        const reason = question.querySelector(`li[data-choice="${choice.value}"] span`).textContent;
        if (choice.checked && said.textContent === reason) count("choice"); else dead.push(tell(choice));
      }
    }
  }
  for (const e of document.querySelectorAll("input[type=radio], input[type=checkbox]")) {
    const label = document.querySelector(`label[for="${e.id}"]`);
    if (frozen(e) || e.closest(".fmlib-quiz") || !(seen(e) || (label && seen(label))) || e.checked) continue;
    const box = e.closest(".sd-tab-set, fieldset") ?? document.body;
    if (await changes(box, () => e.click(), e)) count("tick"); else dead.push(tell(e));
  }
  for (const e of document.querySelectorAll("summary")) {
    if (!seen(e)) continue;
    const box = e.parentElement, height = box.getBoundingClientRect().height;
    e.click();
    if (box.getBoundingClientRect().height !== height) count("fold"); else dead.push(tell(e));
  }
  for (const e of document.querySelectorAll("button, [role=button]")) {
    if (frozen(e) || e.closest(".fmlib-quiz, dialog, form") || !seen(e)) continue;
    const copies = e.matches(".copybtn");
    const scope = copies ? e.parentElement : document.documentElement;
    if (await changes(scope, () => e.click(), copies ? null : e)) count("button");
    else dead.push(tell(e));
    shut();
  }
  return [moved, dead];
}"""
# Of each widget that wants a kernel: what is wrong with how it says so.
FROZEN = """() => [...document.querySelectorAll(".fmlib-frozen")].map((box) => {
  const controls = [...box.querySelectorAll("input, select, textarea, button")], wrong = [];
  const note = box.querySelector(".fmlib-frozen-note");
  if (!note?.checkVisibility() || !note.textContent.includes("need a running notebook")) wrong.push("no note");
  if (!note?.querySelector("a[href]")) wrong.push("the note does not say where to run it");
  if (!controls.length) wrong.push("no control");
  for (const e of controls) {
    if (!e.disabled || !e.closest("[inert]")) wrong.push("takes input: " + e.outerHTML.slice(0, 100));
    e.scrollIntoView({ block: "center", behavior: "instant" });
    const at = e.getBoundingClientRect();
    if (document.elementFromPoint(at.x + at.width / 2, at.y + at.height / 2) === e) wrong.push("can be clicked");
  }
  return wrong.join(", ");
})"""
UNFOCUSED = """() => {
  const all = document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']"), bad = [];
  for (const e of all) {
    if (!e.checkVisibility({ visibilityProperty: true })) continue;
    e.focus({ preventScroll: true });
    if (document.activeElement !== e) continue;
    const style = getComputedStyle(e);
    if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) bad.push(e.outerHTML.slice(0, 150));
  }
  return [all.length, bad];
}"""


@pytest.fixture(scope="module")
def desktop(chromium):
    context = chromium.new_context(viewport=DESKTOP, color_scheme="light", reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture(scope="module")
def phone(chromium):
    context = chromium.new_context(
        viewport=PHONE, color_scheme="dark", reduced_motion="reduce", has_touch=True
    )
    yield context
    context.close()


def slider_state(box) -> dict[str, str]:
    """What a slider without a kernel says and shows."""
    slider, picture = box.locator("input[type=range]"), box.locator("img")
    return {
        "says": slider.get_attribute("aria-valuetext"),
        "shows": picture.get_attribute("src"),
        "alt": picture.get_attribute("alt"),
    }


def with_keys(page) -> list[tuple[dict, dict]]:
    """The state of each slider without a kernel, before and after one arrow key."""
    states = []
    for box in page.locator(".fm-slider").all():
        slider, before = box.locator("input[type=range]"), slider_state(box)
        at_the_end = slider.input_value() == slider.get_attribute("max")
        slider.focus()
        page.keyboard.press("ArrowLeft" if at_the_end else "ArrowRight")
        states.append((before, slider_state(box)))
    return states


@pytest.fixture(scope="module")
def moved(desktop, base) -> dict[str, dict]:
    """Page -> what its controls did: one visit for each page."""
    found = {}
    for name in page_names():
        page = desktop.new_page()
        page.goto(base + name, wait_until="load")
        first, frozen = page.evaluate(FIRST), page.evaluate(FROZEN)
        page.keyboard.press("Tab")  # from here on the focus is the keyboard's
        focusable, unfocused = page.evaluate(UNFOCUSED)
        keyed = with_keys(page)
        counts, dead = page.evaluate(MOVE)
        found[name] = {
            "counts": counts,
            "dead": dead,
            "frozen": frozen,
            "first": first,
            "focusable": focusable,
            "unfocused": unfocused,
            "keyed": keyed,
        }
        page.close()
    return found


def test_every_control_changes_something(moved):
    assert {name: one["dead"] for name, one in moved.items() if one["dead"]} == {}
    for kind in ("range", "choice", "tick", "fold", "button"):
        assert sum(one["counts"].get(kind, 0) for one in moved.values()), f"no {kind} was moved"


def test_sliders_without_a_kernel_work_from_the_keyboard(moved):
    keyed = [(name, *states) for name, one in moved.items() for states in one["keyed"]]
    assert keyed, "no page has a slider that works without a kernel"
    for name, before, after in keyed:
        assert before["says"] != after["says"], name
        assert before["shows"] != after["shows"], name
        assert after["alt"], name


def test_a_widget_without_a_kernel_takes_no_input_and_says_what_it_wants(moved):
    assert {name: one["frozen"] for name, one in moved.items() if any(one["frozen"])} == {}
    assert sum(len(one["frozen"]) for one in moved.values()), "no page has a widget that wants a kernel"


def test_what_the_keyboard_is_at_can_be_seen(moved):
    assert {name: one["unfocused"] for name, one in moved.items() if one["unfocused"]} == {}
    assert all(one["focusable"] > 0 for one in moved.values())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_first_visit_is_in_the_colors_of_the_system_and_quiet(chromium, base, theme):
    for name in ("book/index.html", lessons()[0]):
        context = chromium.new_context(viewport=DESKTOP, color_scheme=theme)
        page, said = context.new_page(), []
        page.on("console", lambda message, said=said: said.append((message.type, message.text)))
        page.goto(base + name, wait_until="load")
        assert [text for kind, text in said if kind in ("warning", "error")] == [], name
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        context.close()


def test_a_lesson_opens_with_title_promise_and_minutes(moved):
    for name in lessons():
        assert moved[name]["first"] == ["title", "minutes", "promise"], name


def test_a_figure_opens_large_from_the_keyboard_and_by_a_tap_and_escape_closes_it(phone, base):
    page = phone.new_page()
    page.goto(base + lessons()[0], wait_until="load")
    figure = page.locator(".fm-figure").first
    picture, button = figure.locator("img"), figure.locator("button")
    for opens in (lambda: button.press("Enter"), picture.tap):
        button.evaluate("(e) => e.blur()")
        opens()
        large = page.locator("dialog.fm-large img")
        assert large.get_attribute("alt") == picture.get_attribute("alt")
        assert large.bounding_box()["width"] >= picture.evaluate("(e) => e.naturalWidth")
        page.keyboard.press("Escape")
        large.wait_for(state="detached")
        assert button.evaluate("(e) => e === document.activeElement")
    page.close()


def cited(page, base):
    page.goto(base + "notebooks/llm/02_gpt.html", wait_until="load")
    return page.locator('article a[href*="#cite-vaswani2017attention"]').first, page.locator("#fmlib-entry")


def test_a_citation_shows_its_entry_on_hover_and_focus_and_escape_hides_it(desktop, base):
    page = desktop.new_page()
    link, entry = cited(page, base)
    for opens in (link.hover, link.focus):
        opens()
        entry.wait_for(state="visible")
        assert "Attention is all you need" in entry.inner_text()
        assert link.get_attribute("aria-describedby") == "fmlib-entry"
        page.keyboard.press("Escape")
        assert not entry.is_visible()
        page.mouse.move(0, 0)
    page.close()


def test_a_tap_shows_the_entry_and_a_second_one_goes_to_it(phone, base):
    page = phone.new_page()
    link, entry = cited(page, base)
    link.tap()
    entry.wait_for(state="visible")
    at = entry.bounding_box()
    assert at["x"] >= 0
    assert at["x"] + at["width"] <= PHONE["width"]
    link.tap()
    page.wait_for_url("**/book/references.html#cite-vaswani2017attention")
    page.close()
