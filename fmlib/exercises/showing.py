"""How answers look: a small card in a notebook, indented lines in a terminal, both from the same words."""

import html
import re
import textwrap
from dataclasses import dataclass

# Middle tones, at least 3 : 1 against both white and the dark page; the heading says the same in words.
COLORS = {"good": "#2e8b57", "bad": "#d1495b", "info": "#7a7f87"}


def inline(text: str) -> str:
    """Plain text as HTML, with `code` in backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


@dataclass(frozen=True, repr=False)
class Card:
    """A heading and a few lines.

    Args:
        tone: "good", "bad" or "info": the color of the edge.
        heading: says how it went, in words.
        lines: sentences; `code` in backticks.
    """

    tone: str
    heading: str
    lines: tuple[str, ...] = ()

    def __repr__(self) -> str:
        wrapped = [
            textwrap.fill(line, 98, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
            if "\n" not in line
            else textwrap.indent(line, "  ")
            for line in self.lines
        ]
        return "\n".join([self.heading, *wrapped])

    def _repr_html_(self) -> str:
        style = f"border-left:0.35em solid {COLORS[self.tone]};padding:0.3em 0.9em;margin:0.3em 0"
        body = "".join(
            f'<pre style="margin:0.3em 0;background:none;color:inherit">{html.escape(line)}</pre>'
            if "\n" in line
            else f'<p style="margin:0.3em 0">{inline(line)}</p>'
            for line in self.lines
        )
        heading = f'<p style="margin:0.3em 0"><strong>{inline(self.heading)}</strong></p>'
        return f'<div class="fmlib-card fmlib-{self.tone}" style="{style}">{heading}{body}</div>'
