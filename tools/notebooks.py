"""Execute notebooks, stamp them, and say which stored outputs are stale.

    python tools/notebooks.py run notebooks/self_supervised/02_contrastive.ipynb --scale cpu
    python tools/notebooks.py stale

A stamp in the notebook's metadata, ``fmlib: {source, scale, device, seconds, date, peak_mb}``, says what produced the
stored outputs. `source` is a hash of the code cells and of the functions of fmlib behind them, see `tools/stamps.py`.
"""

import argparse
import base64
import datetime
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import stamps
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

from fmlib._files import atomic_write_text
from fmlib.results import ledger

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
ASK = """
import json as _json, sys as _sys
from fmlib.scale import device_name as _device_name
try:
    import resource as _resource
    _peak = _resource.getrusage(_resource.RUSAGE_SELF).ru_maxrss / (2**20 if _sys.platform == "darwin" else 2**10)
except ImportError:
    import psutil as _psutil
    _peak = _psutil.Process().memory_info().peak_wset / 2**20
print(_json.dumps({"peak_mb": round(_peak), "device": _device_name()}))
"""
LARGEST = 1_000_000  # bytes of a stored notebook


def notebooks() -> list[Path]:
    """Every notebook of the book."""
    return sorted(p for p in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


def cells(notebook: nbformat.NotebookNode) -> list[str]:
    """The sources of the code cells."""
    return ["".join(c.source) for c in notebook.cells if c.cell_type == "code"]


def source_hash(notebook: nbformat.NotebookNode) -> str:
    """What the stamp's `source` must be for the outputs to be up to date."""
    return stamps.source_hash(cells(notebook), stamps.Package(ROOT))


def settle_stream(text: str) -> str:
    """What a terminal shows after carriage returns: of a finished progress bar, nothing."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return "\n".join(lines)


def smaller(png: str) -> str:
    """A base64 PNG with at most 256 colors where that saves space: a third of the bytes, no difference to see."""
    before = base64.b64decode(png)
    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(before)).convert("RGB")
    picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        buffer, "png", optimize=True
    )
    return base64.b64encode(min(before, buffer.getvalue(), key=len)).decode()


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Drop what differs from run to run (timings, progress bars) and what nobody needs (bytes of pictures)."""
    notebook.metadata.pop("language_info", None)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        kept = []
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = settle_stream(output.text)
                if not output.text.strip():
                    continue
            elif "image/png" in output.get("data", {}):
                output.data["image/png"] = smaller(output.data["image/png"])
            kept.append(output)
        cell.outputs = kept


def run(path: Path, scale: str, store: bool = True) -> dict:
    """Execute a notebook from top to bottom; store outputs, stamp and results if it comes through.

    Returns:
        The stamp.

    Raises:
        CellExecutionError: a cell failed; nothing is stored.
    """
    notebook = nbformat.read(path, as_version=4)
    home = tempfile.TemporaryDirectory()  # exercises keep their progress there, not with whoever executes
    os.environ |= ENVIRONMENT | {"FMLIB_SCALE": scale, "FMLIB_HOME": home.name}
    client = NotebookClient(
        notebook,
        timeout=1800,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    start = time.perf_counter()
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            begun = time.perf_counter()
            client.execute_cell(cell, index)
            if cell.cell_type == "code":
                print(f"  {cell.id}: {time.perf_counter() - begun:.1f} s", file=sys.stderr, flush=True)
        seconds = time.perf_counter() - start
        client.set_widgets_metadata()
        asking = nbformat.v4.new_code_cell(ASK)
        notebook.cells.append(asking)
        client.execute_cell(asking, len(notebook.cells) - 1, store_history=False)
        notebook.cells.pop()
        asked = json.loads(asking.outputs[0].text)
    home.cleanup()
    tidy(notebook)
    stamp = {
        "source": source_hash(notebook),
        "scale": scale,
        "device": asked["device"],
        "seconds": round(seconds),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "peak_mb": asked["peak_mb"],
    }
    notebook.metadata["fmlib"] = stamp
    if store:
        text = nbformat.writes(notebook) + "\n"
        if len(text) > LARGEST:
            raise ValueError(
                f"{path.name} would be {len(text):,} bytes: expected at most {LARGEST:,}; shrink its figures"
            )
        ledger.write(ledger.gather(notebook.cells))
        atomic_write_text(path, text)
    return stamp


def stale() -> list[str]:
    """A line for each notebook whose outputs may not be what its code gives now."""
    lines = []
    for path in notebooks():
        notebook = nbformat.read(path, as_version=4)
        stamp, name = notebook.metadata.get("fmlib"), path.relative_to(ROOT)
        if not stamp:
            lines.append(f"{name}: never executed")
        elif stamp["source"] != source_hash(notebook):
            lines.append(f"{name}: a cell or a function behind it changed")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="execute, store outputs and stamp")
    running.add_argument("notebook", nargs="*", type=Path, help="all of them by default")
    running.add_argument("--scale", choices=["smoke", "cpu", "gpu"], default="cpu")
    running.add_argument("--dry", action="store_true", help="execute only, store nothing")
    commands.add_parser("stale", help="list notebooks that need another run")
    given = parser.parse_args()
    if given.command == "stale":
        lines = stale()
        print("\n".join(lines) if lines else "All stored outputs are up to date.")
        return 1 if lines else 0
    for path in given.notebook or notebooks():
        if not path.is_file():
            parser.error(f"there is no notebook {path}")
        try:
            stamp = run(path.resolve(), given.scale, store=not given.dry)
        except (CellExecutionError, ValueError) as error:
            print(error, file=sys.stderr)
            return 1
        print(
            f"{path}: {stamp['seconds']} s, {stamp['peak_mb']} MB, scale {stamp['scale']} on {stamp['device']}"
        )
        if not given.dry:
            subprocess.run([sys.executable, "-m", "ruff", "format", "-q", str(path)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
