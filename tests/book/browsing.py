"""How a test looks at a page: windows, what a page does, waiting for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

SMALL_PHONE, PHONE = {"width": 360, "height": 740}, {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
TALLEST_SHIFT = 0.1  # of the layout while a page loads; what Lighthouse calls good
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
# What of a lesson's beginning is on the first screen; the promise is the first paragraph of the notebook's first cell.
FIRST = """() => Object.entries({
  title: "article h1", minutes: ".fmlib-minutes", promise: ".fmlib-notebook-header ~ p",
}).filter(([, what]) => document.querySelector(what)?.getBoundingClientRect().bottom < innerHeight).map(([name]) => name)"""
LONGEST = 60  # seconds that a script on a page may take


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
    shift: float = 0.0  # while it loads, with pictures that come late
    pictures: int = 0  # that were held back
    received: int = 0  # bytes over the wire, with an empty cache
    small: list[str] = field(default_factory=list)  # figures that a phone shows too small
    sizes: list[float] = field(default_factory=list)  # of headings on a phone
    first: list[str] = field(default_factory=list)  # what of `FIRST` a phone shows


def watch(page, visit: Visit) -> None:
    """Collect what the page asks for and complains about."""
    page.on("request", lambda request: visit.requests.append(request.url))
    page.on("console", lambda message: visit.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on(
        "response",
        lambda answer: visit.errors.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None,
    )


def weigh(page, visit: Visit) -> None:
    """Count the bytes that come over the wire."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")

    def finished(event):
        visit.received += event["encodedDataLength"]

    network.on("Network.loadingFinished", finished)


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


@contextmanager
def opened(chromium, address: str) -> Iterator:
    """A loaded page in a light window of its own, which is closed afterwards."""
    context = themed(chromium, "light", DESKTOP)
    try:
        page = context.new_page()
        page.goto(address, wait_until="load")
        yield page
    finally:
        context.close()
