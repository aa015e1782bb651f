"""The data of the book: embedded, checked, in fixed splits."""

from fmlib.data._store import DataError
from fmlib.data.fashion_mnist import Pictures, load_fashion_mnist

__all__ = ["DataError", "Pictures", "load_fashion_mnist"]
