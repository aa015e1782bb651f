"""One function a chapter: train something small on real data in about a minute, and look at what came out."""

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from fmlib.llm.gpt.model import GPT


def self_supervised_example(
    method: str = "simclr", steps: int | None = None, seed: int = 0, progress: bool = True
) -> tuple[Float[Tensor, "rows features"], float]:
    """Train one of the self-supervised methods on its data without labels.

    Args:
        method: one of `fmlib.self_supervised.methods.METHODS`: "rotation", "jigsaw", "simclr", "moco", "byol",
            "barlow_twins", "vicreg", "dino" or "mae" on Fashion-MNIST, "colorization" on emoji, "cpc" on spoken words, or
            "bert" on Shakespeare's plays.
        steps: of training; by default what takes a minute or two at the scale in force.
        seed: of weights, batches and views.
        progress: show a bar.

    Returns:
        Features of held-out data, a row for each, in their order: of the 2,000 validation pictures, of gray drawings of
        held-out emoji, of the validation recordings, or of pieces of the validation plays. And the loss at the end (the
        mean of the last 20 steps). Losses of different methods cannot be compared.

    Raises:
        ValueError: an unknown method, or steps below 1.

    Example:
        >>> features, loss = self_supervised_example("moco", steps=2, progress=False)
        >>> len(features)
        2000
    """
    from fmlib.self_supervised.methods import find_method, train

    model, loss = train(method, steps, seed, progress=progress)
    return find_method(method).features(model), loss


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
