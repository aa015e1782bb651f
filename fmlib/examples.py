"""One function a chapter: train something small on real data in about a minute, and look at what came out."""

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from fmlib.llm.gpt.model import GPT


def contrastive_learning_example(
    steps: int | None = None, seed: int = 0, progress: bool = True
) -> tuple[Float[Tensor, "pictures features"], float]:
    """Train a small SimCLR on Fashion-MNIST without labels.

    Args:
        steps: of training; by default what takes about a minute at the scale in force.
        seed: of weights, batches and views.
        progress: show a bar.

    Returns:
        Features of the 2,000 validation pictures, in their order, and the loss at the end in nats (the mean of the
        last 20 steps).

    Raises:
        ValueError: steps below 1.

    Example:
        >>> features, loss = contrastive_learning_example(steps=2, progress=False)
        >>> len(features)
        2000
    """
    from dataclasses import replace

    from fmlib import scale
    from fmlib.data import load_fashion_mnist
    from fmlib.evaluate import embed
    from fmlib.self_supervised.contrastive.training import Recipe, train_simclr

    steps = scale.pick(smoke=2, cpu=400, gpu=2000) if steps is None else steps
    recipe = replace(Recipe.main(), steps=steps)
    model, history = train_simclr(load_fashion_mnist("train").images, recipe, seed, progress=progress)
    last = history.loss[-20:]
    return embed(model.encoder, load_fashion_mnist("validation").images), sum(last) / len(last)


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
