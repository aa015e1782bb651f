"""Text as its tokens: each in a box of its own, so that the borders show without color, too."""

import html
import re
from collections.abc import Iterable
from typing import Any

from fmlib.llm.tokens.characters import Tokenizer
from fmlib.viz import HTML, use_style

# Light backgrounds under dark letters, and a border: readable on a white and on a black page.
SHADES = ("#dbe4ff", "#ffe8cc", "#d3f9d8", "#f3d9fa", "#ffdeeb")
LETTERS = {" ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍"}
BOX = (
    "display:inline-block;margin:1px;padding:0 2px;border:1px solid #495057;border-radius:3px;color:#212529;"
    "white-space:pre;line-height:1.5"
)


def token_text(spelling: bytes) -> str:
    """A token's bytes as one can read them.

    Args:
        spelling: of the token.

    Returns:
        Its text, with · for a space and ⏎ for a line end; bytes that are only a part of a character as ``<E2>``.
    """
    shown = []
    for character in spelling.decode("utf-8", errors="surrogateescape"):
        if "\udc80" <= character <= "\udcff":
            shown.append(f"<{ord(character) - 0xDC00:02X}>")
        elif character in LETTERS:
            shown.append(LETTERS[character])
        else:
            shown.append(character if character.isprintable() else f"<U+{ord(character):04X}>")
    return "".join(shown)


def color_tokens(tokenizer: Tokenizer, text: str, ids: Iterable[int] | None = None, limit: int = 400) -> HTML:
    """Show a text cut into its tokens.

    Args:
        tokenizer: any.
        text: to cut.
        ids: the tokens to show, where they are not ``tokenizer.encode(text)``.
        limit: no more tokens than so many are drawn; the count is of all.

    Returns:
        Boxes with the id of each token as a tooltip, and below them how many there are. As text: the tokens between bars.
    """
    ids = tokenizer.encode(text) if ids is None else list(ids)
    spelled = [token_text(tokenizer.token_bytes(token)) for token in ids[:limit]]
    boxes = "".join(
        f'<span style="{BOX};background:{SHADES[i % len(SHADES)]}" title="token {token}">{html.escape(shown)}</span>'
        + ("<br>" if shown.endswith("⏎") else "<wbr>")
        for i, (token, shown) in enumerate(zip(ids, spelled, strict=False))
    )
    rest = f" … and {len(ids) - limit} more" if len(ids) > limit else ""
    size = len(text.encode("utf-8", errors="replace"))
    count = f"{len(ids):,} tokens, {len(text):,} characters, {size:,} bytes"
    markup = (
        f'<figure class="fm-tokens" style="margin:0.3em 0"><div style="font-family:monospace;overflow-wrap:anywhere" '
        f'role="img" aria-label="{html.escape(_spoken(spelled, rest), quote=True)}">{boxes}{rest}</div>'
        f"<figcaption>{count}</figcaption></figure>"
    )
    return HTML(markup, f"{_spoken(spelled, rest)} ({count})")


def _spoken(spelled: list[str], rest: str) -> str:
    return "|" + "|".join(spelled) + "|" + rest


def draw_tokens(tokenizer: Tokenizer, text: str, title: str, columns: int = 60) -> Any:
    """`color_tokens` as a figure, for a slider.

    Args:
        tokenizer: any.
        text: to cut; whole lines of it are at most `columns` long, or they are broken.
        title: of the figure.
        columns: letters a line.

    Returns:
        The matplotlib figure; its size depends on the text alone, so that figures of two tokenizers fit each other.
    """
    import matplotlib.pyplot as plt

    use_style()
    rows = sum(1 + len(line) // columns for line in text.split("\n"))
    figure, axes = plt.subplots(figsize=(0.115 * columns, 0.32 * rows + 0.5))
    row = column = 0
    for i, token in enumerate(tokenizer.encode(text)):
        for part in re.split(r"(?<=⏎)", token_text(tokenizer.token_bytes(token))):
            if not part:
                continue
            if column + len(part) > columns + 1:
                row, column = row + 1, 0
            axes.add_patch(
                plt.Rectangle(
                    (column + 0.06, row + 0.08),
                    len(part) - 0.12,
                    0.84,
                    fc=SHADES[i % len(SHADES)],
                    ec="#495057",
                    lw=0.8,
                )
            )
            for place, letter in enumerate(
                part
            ):  # one by one: every letter in its own cell, whatever the font
                axes.text(
                    column + place + 0.5, row + 0.53, letter, ha="center", va="center", family="monospace"
                )
            row, column = (row + 1, 0) if part.endswith("⏎") else (row, column + len(part))
    axes.set(xlim=(0, columns + 1), ylim=(rows, 0), title=title)
    axes.axis("off")
    return figure
