"""Text as its tokens: each in a box of its own, so that the borders show without color, too."""

import html
from collections.abc import Iterable

from fmlib.llm.characters import Tokenizer
from fmlib.viz import HTML

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
