"""One function a chapter: train something small on real data in about a minute, and look at what came out."""

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from fmlib.llm.gpt.model import GPT


def self_supervised_example(
    method: str = "simclr", steps: int | None = None, seed: int = 0, progress: bool = True
) -> tuple[Float[Tensor, "pictures features"], float]:
    """Train one of the self-supervised methods on Fashion-MNIST without labels.

    Args:
        method: one of `fmlib.self_supervised.methods.METHODS`: "rotation", "jigsaw", "simclr", "moco" or "mae".
        steps: of training; by default what takes a minute or two at the scale in force.
        seed: of weights, batches and views.
        progress: show a bar.

    Returns:
        Features of the 2,000 validation pictures, in their order, and the loss at the end (the mean of the last 20
        steps). Losses of different methods cannot be compared.

    Raises:
        ValueError: an unknown method, or steps below 1.

    Example:
        >>> features, loss = self_supervised_example("moco", steps=2, progress=False)
        >>> len(features)
        2000
    """
    from fmlib.data import load_fashion_mnist
    from fmlib.evaluate import embed
    from fmlib.self_supervised.methods import train_encoder

    images = load_fashion_mnist("train").images
    encoder, history = train_encoder(method, images, steps, seed, progress=progress)
    last = history.loss[-20:]
    return embed(encoder, load_fashion_mnist("validation").images), sum(last) / len(last)


def language_modeling_example(
    steps: int | None = None, seed: int = 0, progress: bool = True
) -> "tuple[GPT, str]":
    """Train a small GPT on plays of Shakespeare and let it write.

    Args:
        steps: of training; by default what takes about a minute at the scale in force.
        seed: of weights, batches and what is written.
        progress: show a bar.

    Returns:
        The model, and a text that it wrote, as long as the model can see. Its tokenizer is
        `fmlib.llm.pretraining.training.shakespeare_tokens(model.config.vocab_size)[0]`.

    Raises:
        ValueError: steps below 1.

    Example:
        >>> model, text = language_modeling_example(steps=2, progress=False)
        >>> len(text) > 0
        True
    """
    from dataclasses import replace

    import torch

    from fmlib.llm.generation.decode import generate
    from fmlib.llm.generation.sampling import Sampling
    from fmlib.llm.pretraining.training import Recipe, shakespeare_tokens, train_gpt

    recipe = Recipe.quick()
    tokenizer, tokens = shakespeare_tokens(recipe.model.vocab_size)
    recipe = replace(recipe, steps=recipe.steps if steps is None else steps)
    model, _ = train_gpt(tokens, recipe, seed, progress=progress)
    model.eval()
    prompt = torch.tensor([tokenizer.encode("\n")], device=next(model.parameters()).device)
    written = generate(
        model,
        prompt,
        recipe.model.max_length - prompt.shape[1],
        Sampling(temperature=0.8),
        generator=torch.Generator().manual_seed(seed),
    )
    return model, tokenizer.decode(written[0].tolist()).strip()
