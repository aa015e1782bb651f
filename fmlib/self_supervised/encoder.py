"""The encoder that all methods of the chapter share, so that what differs is how it was trained."""

import copy
import dataclasses

import torch
from torch import nn

from fmlib import scale
from fmlib.checks import check_whole
from fmlib.nn.resnet import ResNetConfig, SmallResNet


def make_encoder(channels: int, seed: int) -> SmallResNet:
    """The encoder that all methods share, with the weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        widths = scale.pick(smoke=(8, 16), cpu=(32, 64, 128), gpu=(64, 128, 256))
        return SmallResNet(ResNetConfig(channels=channels, widths=widths, grid=4))


def with_grid(encoder: SmallResNet, grid: int) -> SmallResNet:
    """A copy of an encoder whose features are means over grid x grid regions; the pooling has no weights to learn.

    Args:
        encoder: left alone; the copy shares no memory with it.
        grid: 1 for one mean over all positions, as suits a small tile.

    Raises:
        ValueError: a grid that is no positive whole number.
    """
    check_whole("grid", grid)
    other = copy.deepcopy(encoder)
    other.config = dataclasses.replace(encoder.config, grid=grid)
    other.feature_dim = encoder.config.widths[-1] * grid**2
    return other


def find_feature_dim(encoder: nn.Module, feature_dim: int | None) -> int:
    """`feature_dim` if given, else what the encoder says of itself."""
    found = feature_dim if feature_dim is not None else getattr(encoder, "feature_dim", None)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ValueError(
            f"feature_dim is {found!r}: give the number of features of {type(encoder).__name__}, or set its attribute"
        )
    return found
