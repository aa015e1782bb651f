"""Foundation models you can run: the implementations behind the book's notebooks."""

from fmlib._torchvision import mend_torchvision

mend_torchvision()  # before anything that imports torchvision

__version__ = "0.1.0"
