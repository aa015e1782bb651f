"""What a page shows without a kernel: HTML with a text beside it, a slider over figures, and source code."""

import ast
import base64
import hashlib
import html
import inspect
import io
import re
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from fmlib.viz.figures import figure_bytes, least_width


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
    least = max((least_width(f) for f in frames if not isinstance(f, bytes)), default=0)
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
<div class="fm-figure" style="--fm-least:{least}px"><div class="fm-scroll"><img class="dark-light" src="{sources[start]}"
 alt="{escaped[start]}" width="{width}" height="{height}" style="max-width:100%;height:auto;display:block"></div></div>
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


# Colors for light and dark of what is read, by the classes that Pygments gives: in JupyterLab and in Colab. The book has its
# own, which come first there. Without any of them the source has the color of the text around it.
_COLORS = """.fm-source{--k:#7a0f8f;--f:#0b5394;--s:#2a6b12;--n:#8a4100;--c:#5b626b}
:is([data-jp-theme-light="false"],html[theme="dark"],html[data-theme="dark"])
.fm-source{--k:#dba4f5;--f:#8fc7ff;--s:#a5d68b;--n:#f0b27a;--c:#a9b1bb}
:where(.fm-source) :is(.k,.kn,.kc,.kd,.ow){color:var(--k)}:where(.fm-source) :is(.nf,.nc,.nd,.fm){color:var(--f)}
:where(.fm-source) :is(.s1,.s2,.sd,.sa,.sf,.si,.se){color:var(--s)}:where(.fm-source) :is(.mi,.mf){color:var(--n)}
:where(.fm-source) :is(.c1,.c){color:var(--c)}
.fm-source pre{white-space:pre-wrap;overflow-wrap:anywhere;background:none;color:inherit;padding:.8em;margin:0;
border:1px solid #8a8f98;border-radius:4px}
.fm-source pre>span{display:block;padding-left:calc(var(--i,0)*1ch + 4ch);text-indent:calc(var(--i,0)*-1ch - 4ch)}"""
# The book puts a button on every listing by itself.
_COPY = """(()=>{for(const box of document.querySelectorAll('.fm-source:not([data-ready])')){box.dataset.ready='1';
if(document.querySelector('script[src*="copybutton"]'))continue;const b=document.createElement('button');b.type='button';
b.textContent='Copy';b.onclick=()=>navigator.clipboard.writeText(box.querySelector('pre').textContent)
.then(()=>{b.textContent='Copied'},()=>{b.textContent='Not allowed here: select and copy'});
box.querySelector('figcaption').append(' ',b)}})()"""


def show_source(*objects: Callable | type) -> HTML:
    """The source of functions and classes as they run, from the package: what you read is what is executed.

    Of each docstring stands the first line; all of it is folded below.

    Args:
        *objects: functions, methods or classes.

    Raises:
        TypeError: something without Python source.
    """
    try:
        sources = [textwrap.dedent(inspect.getsource(o)).rstrip() for o in objects]
    except (TypeError, OSError) as error:
        raise TypeError(f"no Python source for one of {objects}: expected functions or classes") from error
    shortened = [_one_line_docstrings(source) for source in sources]
    names = [f"{o.__module__}.{o.__qualname__}" for o in objects]
    folded = "".join(
        f"<p><code>{html.escape(name)}</code></p><pre>{html.escape(doc)}</pre>"
        for _, docs in shortened
        for name, doc in docs
    )
    if folded:
        folded = (
            f"<details><summary>What goes in, what comes out: the whole docstring</summary>{folded}</details>"
        )
    markup = (
        f'<figure class="fm-source" style="margin:0"><style>{_COLORS}</style>'
        f"<figcaption>From <code>{html.escape(', '.join(names))}</code></figcaption>"
        f'<div class="highlight"><pre>{_highlighted(chr(10).join(text + chr(10) for text, _ in shortened))}</pre></div>'
        f"{folded}<script>{_COPY}</script></figure>"
    )
    return HTML(markup, "\n\n".join(sources))


def _one_line_docstrings(source: str) -> tuple[str, list[tuple[str, str]]]:
    """The source with the first line of each docstring -> (it, the docstrings that were longer, by name)."""
    lines, docs = source.split("\n"), []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        doc = ast.get_docstring(node)
        if doc and "\n" in doc:
            docs.append((node.name, doc))
            first, last = node.body[0].lineno - 1, node.body[0].end_lineno
            before, quote = re.match(r"""(.*?)(\"{3}|'{3})""", lines[first]).groups()
            lines[first:last] = [before + quote + doc.split("\n")[0] + quote] + [None] * (last - first - 1)
    return "\n".join(line for line in lines if line is not None), docs


def _highlighted(text: str) -> str:
    """Python as HTML, each line in an element that wraps below its own indentation."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    code = highlight(text, PythonLexer(), HtmlFormatter(nowrap=True)).rstrip("\n").split("\n")
    indents = [len(line) - len(line.lstrip()) for line in text.split("\n")]
    return "".join(
        f'<span style="--i:{indent}">{line}\n</span>' for line, indent in zip(code, indents, strict=False)
    )
