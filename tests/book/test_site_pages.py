"""What the built pages promise, read from their files."""

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image

from fmlib.results import ledger

ROOT = Path(__file__).resolve().parents[2]
NOT_YET = "not measured yet"


def notebooks() -> dict[str, dict]:
    """The notebooks of the book: page -> content."""
    found = {}
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        if ".ipynb_checkpoints" not in path.parts:
            page = path.relative_to(ROOT).with_suffix(".html").as_posix()
            found[page] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_every_page_of_the_contents_is_built(pages):
    listed = re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert [name for name in listed if f"{name}.html" not in pages] == []
    assert "404.html" in pages


def test_every_page_has_a_description(pages):
    for name, page in pages.items():
        (description,) = page.find_all("meta", attrs={"name": "description"})
        assert 20 <= len(description["content"]) <= 210, name


def test_every_page_has_a_title_of_its_own(pages):
    titles = [page.title.get_text() for page in pages.values()]
    assert len(set(titles)) == len(titles)


def test_every_link_inside_the_book_leads_somewhere(pages, site):
    ids = {name: {tag["id"] for tag in page.find_all(id=True)} for name, page in pages.items()}
    broken = []
    for name, page in pages.items():
        for tag, attribute in (("a", "href"), ("link", "href"), ("script", "src"), ("img", "src")):
            for element in page.find_all(tag, **{attribute: True}):
                link = urlsplit(element[attribute])
                if link.scheme or link.netloc or element[attribute].startswith("data:"):
                    continue
                target = (site / name).parent / unquote(link.path) if link.path else site / name
                if name == "404.html" and element.get("id") == "home":
                    continue  # finds its way with a script
                if not target.resolve().exists():
                    broken.append(f"{name}: {element[attribute]}")
                elif link.fragment and target.suffix == ".html":
                    other = target.resolve().relative_to(site.resolve()).as_posix()
                    if unquote(link.fragment) not in ids[other]:
                        broken.append(f"{name}: {element[attribute]} has no such place")
    assert broken == []


def test_no_page_names_anything_that_it_would_load_from_elsewhere(pages):
    outside = []
    for name, page in pages.items():
        for tag, attribute in (("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")):
            outside += [
                f"{name}: {e[attribute]}"
                for e in page.find_all(tag, **{attribute: re.compile("^(https?:)?//")})
            ]
        styles = page.find_all("link", rel=re.compile("stylesheet|preload|icon|preconnect"))
        outside += [f"{name}: {e['href']}" for e in styles if re.match("(https?:)?//", e.get("href", ""))]
    assert outside == []


def test_every_figure_says_in_words_what_it_shows(pages):
    wordless = []
    for name, page in pages.items():
        for image in page.select("article img"):
            alt = image.get("alt")
            named_like_a_file = re.fullmatch(r"\S+\.(png|webp|svg|jpe?g)", alt or "x.png")
            if alt != "" and (named_like_a_file or len(alt) < 12):
                wordless.append(f"{name}: {image['src'][:60]} has alt {alt!r}")
            if alt == "" and image.find_parent("figure"):
                wordless.append(f"{name}: {image['src'][:60]} stands in a figure without words")
    hint = "of a notebook: describe(figure, 'what it shows') in its cell, from fmlib.viz"
    assert wordless == [], hint


def test_every_frame_of_a_slider_says_in_words_what_it_shows(pages):
    frames = [frame for page in pages.values() for frame in page.select(".fm-slider i[data-label]")]
    assert frames
    assert [frame["data-label"] for frame in frames if len(frame["data-alt"]) < 12] == []


def test_words_of_a_cell_count_the_panels_that_its_code_draws():
    numbers = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
    wrong, counted = [], 0
    for name, notebook in notebooks().items():
        for cell in notebook["cells"]:
            words = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "").lower()
            said = re.search(rf"\b({'|'.join(numbers)}) panels", words)
            drawn = re.search(r"subplots\((\d+), (\d+)", "".join(cell["source"]))
            if said and drawn:
                counted += 1
                if numbers[said[1]] != int(drawn[1]) * int(drawn[2]):
                    wrong.append(f"{name}, cell {cell['id']}: {said[0]}, {drawn[0]}")
    assert counted
    assert wrong == [], "describe(figure, words) of fmlib.viz would have said so"


def test_every_citation_leads_to_its_entry_and_brings_it_along(pages):
    vague, cited = [], 0
    for name, page in pages.items():
        store = page.find("template", id="fmlib-cited")
        brought = {entry["data-cite"] for entry in store.select("[data-cite]")} if store else set()
        for link in page.select('article a[href*="references.html"]'):
            fragment = urlsplit(link["href"]).fragment
            if re.search(r"\d{4}", link.get_text()) and name != "book/references.html":
                cited += 1
                if fragment not in brought:
                    vague.append(f"{name}: {link.get_text()}")
    assert cited > 50
    assert vague == []


def test_set_up_is_folded_in_every_lesson(pages):
    for name in notebooks():
        first = pages[name].select("article .cell_input")[:2]
        assert [bool(cell.find_parent("details")) for cell in first] == [True, True], name
        assert pages[name].select_one(".fmlib-minutes").get_text().startswith("About ")


def test_every_number_says_how_many_runs_it_comes_from(pages):
    shown = [span.get_text() for page in pages.values() for span in page.select(".fmlib-result")]
    assert shown
    assert [text for text in shown if not re.search(r"\d runs?\)$", text)] == []


def test_every_picture_states_the_size_of_its_file(pages, site):
    wrong, pictures = [], 0
    for name, page in pages.items():
        for image in page.select('article img[src*="_images/"]'):
            pictures += 1
            with Image.open(site / Path(name).parent / image["src"]) as file:
                if (image.get("width"), image.get("height")) != (str(file.width), str(file.height)):
                    wrong.append(f"{name}: {image['src']}")
    assert pictures
    assert wrong == []


def test_every_number_of_ours_is_the_ledgers(pages):
    known = ledger.results()
    shown = [(name, span) for name, page in pages.items() for span in page.select(".fmlib-result")]
    wrong = [
        f"{name}: {span['data-name']} is {span.get_text()!r}"
        for name, span in shown
        if span["data-name"] not in known or span.get_text() != ledger.format_entry(known[span["data-name"]])
    ]
    assert wrong == [], "the page and the ledger differ: run `make book`"


def test_every_cell_of_a_comparison_is_the_ledgers(pages):
    known = ledger.results()
    shown = [(name, cell) for name, page in pages.items() for cell in page.select(".fmlib-cell")]
    assert shown
    wrong = [
        f"{name}: {cell['data-name']} is {cell.get_text()!r}"
        for name, cell in shown
        if cell["data-name"] not in known or cell.get_text() != ledger.format_cell(known[cell["data-name"]])
    ]
    assert wrong == [], "the ledger changed after the notebook ran: run `make run`"


def test_no_number_is_still_missing(pages):
    assert [name for name, page in pages.items() if NOT_YET in page.get_text()] == []


def test_every_result_in_the_ledger_is_in_the_table_of_results(pages):
    shown = {span["data-name"] for span in pages["book/results.html"].select(".fmlib-result")}
    assert set(ledger.results()) - shown == set()


def test_what_a_notebook_recorded_is_what_the_ledger_has():
    known = ledger.results()
    for page, notebook in notebooks().items():
        for name, entry in ledger.gather(notebook["cells"]).items():
            assert known.get(name) == entry, f"{page}: {name}"


def test_each_notebook_page_says_what_its_outputs_ran_on(pages):
    assert notebooks(), "the book has no notebook"
    for name, notebook in notebooks().items():
        stamp = notebook["metadata"]["fmlib"]
        (line,) = pages[name].select(".fmlib-stamp")
        said = line.get_text().replace(",", "")
        for key in ("device", "scale", "date"):
            assert str(stamp[key]).replace(",", "") in said, (name, key)
        assert f" {stamp['seconds']:.0f} s" in said, name
        assert f" {stamp['peak_mb']:.0f} MB" in said, name
        assert line["data-source"] == stamp["source"], "the page is older than the notebook: run `make book`"


def test_the_badges_point_to_the_one_address_or_are_left_out(pages):
    import repository

    address = repository.address()
    for name in notebooks():
        links = {a.get_text(): a["href"] for a in pages[name].select(".fmlib-badges a")}
        assert links.pop("Download the notebook").endswith(".ipynb")
        assert bool(links) == (address is not None)
        for link in links.values():
            assert "/".join(address.split("/")[-2:]) in link
            assert name.replace(".html", ".ipynb") in link
    repositories = {
        "/".join(a["href"].split("/")[:5])
        for page in pages.values()
        for a in page.select(".article-header-buttons a[href*='github.com']")
        if "colab" not in a["href"] and "mybinder" not in a["href"]
    }
    assert repositories == ({address} if address else set())


def test_the_downloaded_notebook_is_the_stored_one(site):
    for name in notebooks():
        stored = Path(name).with_suffix(".ipynb")
        assert (site / "_sources" / stored).read_bytes() == (ROOT / stored).read_bytes()


def test_the_glossary_has_forty_terms_in_alphabetical_order(pages):
    terms = [dt.find(string=True).strip() for dt in pages["book/glossary.html"].select("dl.glossary dt")]
    assert len(terms) >= 40
    assert terms == sorted(terms, key=str.lower)


@pytest.mark.parametrize("name", ["book.css", "book.js"])
def test_what_the_pages_use_of_ours_is_in_the_site(site, name):
    assert (site / "_static" / name).read_bytes() == (ROOT / "book/static" / name).read_bytes()


def test_no_script_of_ours_is_put_on_every_page_by_accident(pages):
    for name, page in pages.items():
        sources = " ".join(script["src"] for script in page.find_all("script", src=True))
        assert "embed.js" not in sources, name
        assert "thebe" not in sources, name
        if name == "book/glossary.html":
            assert "mathjax" not in sources
