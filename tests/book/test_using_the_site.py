"""How pages come and what a reader does with them; apart from the visits to all pages, so that both can run at once."""

import pytest
from browsing import DESKTOP, PHONE, READY, Visit, opened, settle, themed, watch
from site_files import page_names

pytestmark = pytest.mark.browser


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


def test_the_search_finds_a_word_and_leads_to_it(chromium, base):
    with opened(chromium, f"{base}search.html?q=temperature") as page:
        results = page.locator("#search-results li a")
        results.first.wait_for(timeout=20_000)
        assert results.count() > 1
        results.first.click()
        page.wait_for_load_state("load")
        assert "temperature" in page.locator("article").inner_text().lower()


def test_the_search_opens_from_the_keyboard_on_any_page(chromium, base):
    with opened(chromium, f"{base}book/glossary.html") as page:
        page.keyboard.press("Control+k")
        page.locator("#pst-search-dialog input[type=search]").wait_for(state="visible")
        page.keyboard.type("queue")
        page.keyboard.press("Enter")
        page.locator("#search-results li a").first.wait_for(timeout=20_000)


def test_the_first_tab_leads_past_the_navigation(chromium, base):
    with opened(chromium, f"{base}book/glossary.html") as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('href')") == "#main-content"


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
