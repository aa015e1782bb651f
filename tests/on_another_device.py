"""Another Python in which tensors must be moved to a device; see `pretend_device`."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
START = "import torch, pretend_device; there = pretend_device.install()\n"


def python(*arguments, folder=None):
    """(exit status, what was said) of another Python, since the device stays for the rest of a process."""
    environment = os.environ | {"PYTHONPATH": str(HERE), "FMLIB_SCALE": "smoke", "MPLBACKEND": "agg"}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder, env=environment)
    return done.returncode, (done.stdout + done.stderr)[-4000:]
