"""Widgets that want a running notebook, as a page shows them: their stored state, read only, and what it showed.

A control that moves and changes nothing would show numbers that are false. So no page loads a widget manager: every
stored widget becomes plain HTML here, its controls disabled and out of the keyboard's way, below a note that says what
they want. What works without a kernel is a slider over stored frames, `fmlib.viz.html_slider`.
"""

import math
from html import escape

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
SHOWN = ("HTMLModel", "HTMLMathModel")  # what their value is: the result, not a control
CHOSEN = ("DropdownModel", "SelectModel", "RadioButtonsModel", "ToggleButtonsModel", "SelectionSliderModel")
TICKED = ("CheckboxModel", "ToggleButtonModel")


class UnknownWidget(ValueError):
    """A stored widget that has no form on a page."""


def control(model: str, state: dict) -> tuple[str, str]:
    """A control as disabled HTML, and its value in words.

    Raises:
        UnknownWidget: it has no value that a page could show.
    """
    name, value = escape(state.get("description") or ""), state.get("value")
    if model in CHOSEN:
        value = state["_options_labels"][state["index"]] if state["index"] is not None else "nothing"
        element = f"<select disabled><option>{escape(value)}</option></select>"
    elif model in TICKED:
        element, value = f'<input type="checkbox" disabled{" checked" * value}>', "on" if value else "off"
    elif model == "ButtonModel":
        return f'<button type="button" disabled>{name}</button>', ""
    elif model.endswith("SliderModel") and isinstance(value, (int, float)):
        place = math.log(value, state["base"]) if model == "FloatLogSliderModel" else value
        value = format(value, state.get("readout_format") or "g")
        element = (
            f'<input type="range" disabled min="{state["min"]:g}" max="{state["max"]:g}" step="any" value="{place:g}">'
            f" <output>{escape(value)}</output>"
        )
    elif model == "TextareaModel":
        element = f'<textarea disabled rows="{state.get("rows") or 3}">{escape(value)}</textarea>'
    elif isinstance(value, (str, int, float, list)):
        value = " to ".join(map(str, value)) if isinstance(value, list) else str(value)
        element = f'<input type="text" disabled value="{escape(value)}">'
    else:
        raise UnknownWidget(f"a stored {model} has no form on a page: add one to book/_ext/fmlib_widgets.py")
    return f"<label><span>{name}</span> {element}</label>", f"{name} {escape(value)}".strip()


def frozen(states: dict[str, dict], root: str, where: list[tuple[str, str]]) -> str:
    """A stored widget as HTML that works without scripts.

    Args:
        states: of all the notebook's widgets, by id, as ipywidgets stores them.
        root: id of the widget that the cell shows.
        where: (text, link) of each place where the reader can run it.

    Raises:
        UnknownWidget: part of it has no form on a page.
    """
    controls, values, shown = [], [], []

    def walk(identity: str) -> None:
        model, state = states[identity]["model_name"], states[identity]["state"]
        if "children" in state:
            for child in state["children"]:
                walk(child.removeprefix("IPY_MODEL_"))
        elif model in SHOWN:
            shown.append(state["value"])
        elif model == "LabelModel":
            shown.append(f"<p>{escape(state['value'])}</p>")
        else:
            element, value = control(model, state)
            controls.append(element)
            values.extend([value] if value else [])

    walk(root)
    links = " or ".join(f'<a href="{escape(link)}">{escape(text)}</a>' for text, link in where)
    held = f" This page shows what a stored run gave for {'; '.join(values)}." if values else ""
    return (
        '<section class="fmlib-frozen" aria-label="Controls that need a running notebook">'
        '<p class="fmlib-frozen-note"><strong>These controls need a running notebook.</strong> '
        f"Run it {links} to move them.{held}</p>"
        f'<div class="fmlib-frozen-controls" inert>{"".join(controls)}</div>'
        f'<div class="fmlib-frozen-shown">{"".join(shown)}</div></section>'
    )


def freeze(notebook: dict, where: list[tuple[str, str]]) -> list[str]:
    """Replace every widget of a notebook by its stored state -> what could not be replaced."""
    problems = []
    stored = notebook["metadata"].pop("widgets", {}).get(STATE, {}).get("state", {})
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            view = output.get("data", {}).pop(VIEW, None)
            if view is None:
                continue
            try:
                output["data"]["text/html"] = frozen(stored, view["model_id"], where)
            except (UnknownWidget, KeyError) as error:
                problems.append(f"cell {cell.get('id')}: {error}")
    return problems
