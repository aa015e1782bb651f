"""Compressors as language models: what repeats is cheap, so the size of a packed text is a number of bits per character.

Each gets the training text, too, as far as its format can look back: that is said with the number.
"""

import bz2
import importlib
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from fmlib.llm.tokens.characters import utf8


class CompressorMissing(ImportError):
    """This Python has no such compressor; the message says what brings it."""


@dataclass(frozen=True)
class Packed:
    """What a compressor needs for a text.

    Args:
        name: of the compressor.
        alone: bits per character of the text by itself.
        after_training: bits per character once the compressor has seen the training text.
        sees: how much of the training text it can use, in words.
    """

    name: str
    alone: float
    after_training: float
    sees: str


def bits_of_bytes(size: int, text: str) -> float:
    """Bits per character of a text that was packed into so many bytes."""
    return 8 * size / len(text)


def gzip(train: str, text: str) -> Packed:
    """zlib, the method of gzip and PNG, with the end of the training text as its preset dictionary.

    Args:
        train: what may be known; not counted.
        text: what is packed, at least one character.

    Source: RFC 1951, section 2: nothing further back than 32,768 bytes can be repeated.
    """
    window = 1 << 15

    def size(dictionary: bytes) -> int:
        # Raw (negative bits): no header, no checksum, as in the other sizes only what the text needs.
        packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, dictionary)
        return len(packer.compress(utf8(text)) + packer.flush())

    return _packed("gzip", text, size(b""), size(utf8(train)[-window:]), "the last 32 KiB, its window")


def bzip2(train: str, text: str) -> Packed:
    """bzip2, which sorts blocks of 900 kB: of the training text it knows what shares a block with the text.

    Args:
        train, text: as in `gzip`.
    """
    block = 900_000
    alone = len(bz2.compress(utf8(text), 9))
    room = max(0, block - len(utf8(text)))
    before = utf8(train)[-room:] if room else b""
    after = len(bz2.compress(before + utf8(text), 9)) - len(bz2.compress(before, 9))
    return _packed("bzip2", text, alone, after, f"the last {len(before) >> 10} KiB, the rest of a block")


def xz(train: str, text: str) -> Packed:
    """LZMA2, the method of xz and 7-Zip, with a window that holds everything: what the text adds to the packed size.

    Args:
        train, text: as in `gzip`.
    """
    whole = len(utf8(train + text))
    window = max(1 << 16, 1 << (whole - 1).bit_length())  # the next power of two
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": window}]

    def size(content: str) -> int:
        return len(lzma.compress(utf8(content), format=lzma.FORMAT_RAW, filters=filters))

    return _packed("xz", text, size(text), size(train + text) - size(train), "all of it")


def zstd(train: str, text: str) -> Packed:
    """Zstandard at its highest level, with the training text as its dictionary and a window that holds it.

    Args:
        train, text: as in `gzip`.

    Raises:
        CompressorMissing: neither Python's own module (from 3.14 on) nor the package `zstandard` is there.

    Source: RFC 8878.
    """
    pack = _zstd()
    return _packed("zstd", text, len(pack(b"", utf8(text))), len(pack(utf8(train), utf8(text))), "all of it")


def pack_all(train: str, text: str) -> tuple[list[Packed], list[str]]:
    """Every compressor that this Python has.

    Args:
        train, text: as in `gzip`.

    Returns:
        Their results, and a sentence for each that is missing.

    Raises:
        ValueError: one of the texts is empty.
    """
    if not train or not text:
        raise ValueError(f"train has {len(train)} characters and text {len(text)}: expected at least one")
    done, missing = [], []
    for compressor in (gzip, bzip2, zstd, xz):
        try:
            done.append(compressor(train, text))
        except CompressorMissing as error:
            missing.append(str(error))
    return done, missing


def _packed(name: str, text: str, alone: int, after: int, sees: str) -> Packed:
    return Packed(name, bits_of_bytes(alone, text), bits_of_bytes(after, text), sees)


def _zstd() -> Callable[[bytes, bytes], bytes]:
    """(dictionary, content) -> packed, with whichever module there is."""
    try:
        own = importlib.import_module("compression.zstd")
    except ImportError:
        own = None
    if own is not None:

        def pack_with_own(dictionary: bytes, content: bytes) -> bytes:
            options = {
                own.CompressionParameter.compression_level: 22,
                own.CompressionParameter.window_log: 27,
                own.CompressionParameter.content_size_flag: 0,
            }
            given = own.ZstdDict(dictionary, is_raw=True).as_prefix if dictionary else None
            return own.compress(content, options=options, zstd_dict=given)

        return pack_with_own
    try:
        package = importlib.import_module("zstandard")
    except ImportError:
        raise CompressorMissing(
            "zstd is left out: this Python has it from 3.14 on, or with `pip install zstandard`"
        ) from None

    def pack_with_package(dictionary: bytes, content: bytes) -> bytes:
        parameters = package.ZstdCompressionParameters.from_level(22, window_log=27, write_content_size=False)
        given = package.ZstdCompressionDict(dictionary, dict_type=package.DICT_TYPE_RAWCONTENT)
        options = {"dict_data": given} if dictionary else {}
        return package.ZstdCompressor(compression_params=parameters, **options).compress(content)

    return pack_with_package
