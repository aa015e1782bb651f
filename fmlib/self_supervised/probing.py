"""What features are worth: a linear probe with few labels, the same measurement for every method of the chapter."""

import torch
from torch import nn

from fmlib import scale
from fmlib.data import Pictures, load_fashion_mnist
from fmlib.evaluate import embed, linear_probe


def label_counts() -> tuple[int, ...]:
    """How many labels the probes get."""
    return scale.pick(smoke=(100,), cpu=(100, 1000, 10_000), gpu=(100, 1000, 10_000))


def test_pictures() -> Pictures:
    """What results are reported on, and nothing is chosen by."""
    test = load_fashion_mnist("test")
    return scale.pick(smoke=test.subset(torch.arange(500)), cpu=test, gpu=test)


test_pictures.__test__ = False  # not a test, whatever pytest thinks of its name


def labeled(count: int, seed: int) -> Pictures:
    """A class-balanced handful of training pictures with labels, another one for each seed."""
    train = load_fashion_mnist("train")
    return train.sample(count // len(train.class_names), torch.Generator().manual_seed(1000 + seed))


def accuracy(model: nn.Module, pictures: Pictures) -> float:
    """Per cent of pictures that a model from pictures to logits names right."""
    return 100 * (embed(model, pictures.images).argmax(dim=1) == pictures.labels).double().mean().item()


def probes(encoder: nn.Module, seed: int, counts: tuple[int, ...] | None = None) -> dict[int, float]:
    """Labels -> per cent of the test pictures that a linear probe on frozen features gets right."""
    test = test_pictures()
    features = embed(encoder, test.images)
    found = {}
    for count in counts or label_counts():
        known = labeled(count, seed)
        found[count] = linear_probe(embed(encoder, known.images), known.labels, features, test.labels)
    return found


def validation_draws(
    encoder: nn.Module, count: int = 100, strengths: tuple[float, ...] = (0.03,)
) -> list[float]:
    """Per cent of the validation pictures that a probe gets right, for each of five draws of the labeled pictures.

    Args:
        encoder: what the probe sees: pictures -> features.
        count: labeled pictures.
        strengths: of the probe, scikit-learn's C. Of several the best on these very pictures is taken, which is more than
            a fair measure would give.
    """
    held_out = load_fashion_mnist("validation")
    features = embed(encoder, held_out.images)
    draws = [labeled(count, draw) for draw in range(scale.pick(smoke=1, cpu=5, gpu=5))]
    seen = [embed(encoder, known.images) for known in draws]
    tried = [
        [
            linear_probe(x, known.labels, features, held_out.labels, (strength,))
            for x, known in zip(seen, draws, strict=True)
        ]
        for strength in strengths
    ]
    return max(tried, key=sum)
