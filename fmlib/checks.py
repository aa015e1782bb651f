"""What the sizes of every transformer must be; each refusal names the number that came and what was expected."""

from typing import Any


def check_sizes(config: Any, *names: str) -> None:
    """Refuse a size that is no positive whole number.

    Args:
        config: with the sizes as attributes.
        names: of the sizes.

    Raises:
        ValueError: names the first such size.
    """
    for name in names:
        size = getattr(config, name)
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"{name} is {size!r}: expected a positive whole number")


def check_heads(dim: int, heads: int) -> None:
    """Refuse features that heads cannot share out evenly.

    Raises:
        ValueError: names both.
    """
    if dim % heads:
        raise ValueError(f"dim is {dim} and heads is {heads}: expected a dim that heads divides")


def check_dropout(dropout: float) -> None:
    """Refuse a dropout that leaves nothing, or is no share.

    Raises:
        ValueError: names it.
    """
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}: expected a share in [0, 1)")
