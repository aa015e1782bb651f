"""The data of the book: embedded, checked, in fixed splits."""

from fmlib.data._store import DataError
from fmlib.data.austen import Novel, load_austen
from fmlib.data.emoji import Drawings, EmojiRecord, load_emoji
from fmlib.data.fashion_mnist import Pictures, load_fashion_mnist
from fmlib.data.instructions import Instruction, load_instructions
from fmlib.data.shakespeare import Play, load_shakespeare
from fmlib.data.spoken_words import Recordings, load_spoken_words
from fmlib.data.works import Text

__all__ = [
    "DataError",
    "Drawings",
    "EmojiRecord",
    "Instruction",
    "Novel",
    "Pictures",
    "Play",
    "Recordings",
    "Text",
    "load_austen",
    "load_emoji",
    "load_fashion_mnist",
    "load_instructions",
    "load_shakespeare",
    "load_spoken_words",
]
