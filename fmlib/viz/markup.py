"""What a page shows without a kernel: HTML with a text beside it, a slider over figures, and source code."""

import base64
import hashlib
import html
import inspect
import io
from collections.abc import Callable, Sequence
from typing import Any

from fmlib.viz.figures import figure_bytes


class HTML:
    """A piece of HTML that a notebook shows, with a sentence for where there is no browser."""

    def __init__(self, markup: str, text: str) -> None:
        self.markup, self.text = markup, text

    def _repr_html_(self) -> str:
        return self.markup

    def __repr__(self) -> str:
        return self.text


def html_slider(
    frames: Sequence[Any],
    labels: Sequence[str],
    name: str,
    alts: Sequence[str],
    start: int = 0,
    dpi: int = 100,
) -> HTML:
    """Flip through pictures with a slider that works without a kernel, offline and from the keyboard.

    Args:
        frames: matplotlib figures of one size (closed afterwards), or the bytes of WebP pictures.
        labels: what the slider says at each frame, e.g. ``"0.1"``.
        name: what the slider changes, e.g. ``"temperature"``.
        alts: a sentence for each frame, for who cannot see it.
        start: the frame at first; it also shows where scripts do not run.
        dpi: of figures.

    Returns:
        Something that a notebook shows.

    Raises:
        ValueError: no frames, or not as many labels and alts.
    """
    if len(frames) == 0 or not len(frames) == len(labels) == len(alts):
        raise ValueError(
            f"{len(frames)} frames, {len(labels)} labels, {len(alts)} alts: expected as many, at least 1"
        )
    if not 0 <= start < len(frames):
        raise ValueError(f"start is {start}: expected 0 to {len(frames) - 1}")
    pictures = [f if isinstance(f, bytes) else figure_bytes(f, dpi=dpi) for f in frames]
    digest = hashlib.sha256(b"".join(pictures) + "|".join([name, *labels, *alts]).encode()).hexdigest()
    ident = f"fm-slider-{digest[:12]}"
    sources = [f"data:image/webp;base64,{base64.b64encode(p).decode()}" for p in pictures]
    from PIL import Image

    width, height = Image.open(io.BytesIO(pictures[0])).size
    escaped = [html.escape(a, quote=True) for a in alts]
    store = "".join(
        f'<i data-src="{"" if i == start else s}" data-label="{html.escape(label, quote=True)}" data-alt="{a}"></i>'
        for i, (s, label, a) in enumerate(zip(sources, labels, escaped, strict=True))
    )
    markup = f"""<figure class="fm-slider" id="{ident}" style="margin:0;max-width:{width}px">
<img class="dark-light" src="{sources[start]}" alt="{escaped[start]}" width="{width}" height="{height}"
 style="max-width:100%;height:auto;display:block">
<figcaption style="min-height:2.2em"></figcaption><div hidden>{store}</div>
<script>(()=>{{
const box=document.getElementById("{ident}");if(!box||box.dataset.ready)return;box.dataset.ready="1";
const img=box.querySelector("img"),frames=[...box.querySelectorAll("i")],first=img.src;
const label=document.createElement("label"),range=document.createElement("input"),out=document.createElement("output");
label.textContent={_script_string(name + " ")};label.style.cssText="display:flex;gap:.6em;align-items:center";
range.type="range";range.min=0;range.max=frames.length-1;range.step=1;range.value={start};range.style.cssText="flex:1;min-width:8em";
out.style.minWidth="4em";label.append(range,out);box.querySelector("figcaption").append(label);
const show=()=>{{const f=frames[+range.value];img.src=f.dataset.src||first;img.alt=f.dataset.alt;
out.textContent=f.dataset.label;range.setAttribute("aria-valuetext",f.dataset.label);}};
range.addEventListener("input",show);show();
}})();</script></figure>"""
    return HTML(markup, f"[slider over {name}: {', '.join(labels)}; {alts[start]}]")


def _script_string(text: str) -> str:
    import json

    return json.dumps(text).replace("<", "\\u003c")


def show_source(*objects: Callable | type) -> HTML:
    """The source of functions and classes as they run, from the package: what you read is what is executed.

    Args:
        *objects: functions, methods or classes.

    Raises:
        TypeError: something without Python source.
    """
    try:
        sources = [inspect.getsource(o) for o in objects]
    except (TypeError, OSError) as error:
        raise TypeError(f"no Python source for one of {objects}: expected functions or classes") from error
    text = "\n\n".join(s.rstrip() for s in sources)
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    code = highlight(text, PythonLexer(), HtmlFormatter(nowrap=True, noclasses=True, style="default"))
    names = ", ".join(f"{o.__module__}.{o.__qualname__}" for o in objects)
    markup = (
        f'<figure class="fm-source" style="margin:0"><figcaption>From <code>{html.escape(names)}</code></figcaption>'
        f'<pre class="dark-light" tabindex="0" style="background:#f8f9fa;color:#212529;padding:.8em;overflow-x:auto">'
        f"{code}</pre></figure>"
    )
    return HTML(markup, text)
