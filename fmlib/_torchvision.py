"""Make ``import torchvision`` work beside a torch that lacks CUDA.

torchvision's Linux wheel links its compiled operators to CUDA. Beside a CPU-only torch they do not load, and the import
stops at ``operator torchvision::nms does not exist`` although everything written in Python (transforms, models, datasets)
would work. Declaring the two operators is enough; calling them still fails, as it should.
"""

import importlib.util
from pathlib import Path

import torch

_SIGNATURES = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: torch.library.Library | None = None  # the declarations live as long as this object


def mend_torchvision() -> bool:
    """Declare torchvision's operators if its compiled ones cannot be loaded.

    Returns:
        True if the declarations were needed.
    """
    global _library
    if _library is not None:
        return True
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return False
    compiled = sorted(Path(found.origin).parent.glob("_C*.so"))
    if not compiled:
        return False
    try:
        torch.ops.load_library(str(compiled[0]))
    except OSError:
        _library = torch.library.Library("torchvision", "FRAGMENT")
        for signature in _SIGNATURES:
            _library.define(signature)
        return True
    return False
