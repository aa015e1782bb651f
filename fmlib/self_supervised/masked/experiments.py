"""What the lesson measures: paintings beside simple ones, features with few labels, hidden letters, pairs of texts."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fmlib.data import Pictures
from fmlib.evaluate import evaluating
from fmlib.llm.gpt.cross_entropy import IGNORED
from fmlib.llm.tokens.characters import CharTokenizer
from fmlib.nn.vit import ViT, patchify
from fmlib.self_supervised.masked.bert import BertPretraining
from fmlib.self_supervised.masked.hiding import pick, split_patches
from fmlib.self_supervised.masked.mae import MAE
from fmlib.self_supervised.masked.pairs import join_pairs
from fmlib.self_supervised.masked.plays import Asked, Vocabulary
from fmlib.self_supervised.masked.targets import as_pixels, patch_targets
from fmlib.self_supervised.masked.training import TuneRecipe, fine_tune, make_vit, pair_batch
from fmlib.self_supervised.probing import accuracy, labeled, test_pictures
from fmlib.training.batches import consecutive_pieces

# ---- pictures


def draw_noise(count: int, patches: int, seed: int = 0) -> Float[Tensor, "count patches"]:
    """Random numbers that decide which patches stay."""
    return torch.rand(count, patches, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def paintings(
    model: MAE, images: Float[Tensor, "count channels height width"], keep: int, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """What is seen of pictures, what is painted from it, and both put together.

    Args:
        model: trained.
        images: float pictures.
        keep: how many patches stay visible.
        seed: of the masks.

    Returns:
        Three of [count, channels, height, width]: the visible patches on gray; everything as painted; painted patches where
        nothing was seen, the true ones elsewhere.
    """
    config = model.config
    size, normalized = config.encoder.patch_size, config.normalize
    place = next(model.parameters()).device
    noise = draw_noise(len(images), config.encoder.grid**2, seed)
    with evaluating(model):
        painted, hidden = model(images.to(place), noise.to(place), keep=keep)
    painted, hidden = as_pixels(painted.float().cpu(), images, size, normalized), hidden.cpu()
    everywhere = hidden[..., None].expand(-1, -1, size**2 * images.shape[1]).float()
    where = as_pixels(everywhere, images, size).bool()
    return torch.where(where, 0.5, images), painted, torch.where(where, painted, images)


@torch.no_grad()
def painting_errors(
    model: MAE,
    images: Float[Tensor, "count channels height width"],
    average: Float[Tensor, "1 channels height width"],
    keep: int,
    seed: int = 0,
) -> dict[str, float]:
    """Root of the mean squared error on hidden patches, in units of the gray scale: the model's and three simple painters'.

    Args:
        model: trained on pixels as they are.
        images: float pictures that it never saw.
        average: the mean of the training pictures.
        keep: how many patches stay visible.
        seed: of the masks.

    Returns:
        By name: "MAE"; "nearest patch", which copies the visible patch that stands nearest; "mean picture", which paints the
        average picture; "one gray", the mean of what is seen.

    Raises:
        ValueError: a model whose targets are normalized.
    """
    config = model.config
    if config.normalize:
        raise ValueError("model has normalized targets: expected one that paints pixels as they are")
    grid, size = config.encoder.grid, config.encoder.patch_size
    place = next(model.parameters()).device
    noise = draw_noise(len(images), grid**2, seed)
    target = patch_targets(images, size)
    with evaluating(model):
        painted = model(images.to(place), noise.to(place), keep=keep)[0].float().cpu()
    visible, hidden, _ = split_patches(noise, keep)
    seen = pick(target, visible)  # [count, keep, patch_dim]
    spots = torch.stack([torch.arange(grid**2) // grid, torch.arange(grid**2) % grid], dim=1).float()
    far = torch.cdist(spots, spots)[visible]  # [count, keep, patches]
    guesses = {
        "MAE": painted,
        "nearest patch": pick(seen, far.argmin(dim=1)),
        "mean picture": patchify(average, size).expand_as(target),
        "one gray": seen.mean(dim=(1, 2), keepdim=True).expand_as(target),
    }
    return {name: (guess - target)[hidden].square().mean().sqrt().item() for name, guess in guesses.items()}


@torch.no_grad()
def painted_out_of_place(
    model: MAE, images: Float[Tensor, "count channels height width"], seed: int = 0
) -> Float[Tensor, "count channels height width"]:
    """What a decoder paints that gets the visible patches as they come, in front, in place of where they belong.

    Args:
        model: trained.
        images: float pictures.
        seed: of the masks.
    """
    config = model.config.encoder
    noise = draw_noise(len(images), config.grid**2, seed)
    visible, _, _ = split_patches(noise, model.config.keep)
    place = next(model.parameters()).device
    with evaluating(model):
        tokens = model.encoder.read(pick(model.encoder.embed(images.to(place)), visible.to(place)))
        as_they_come = torch.arange(config.grid**2, device=place).expand(len(images), -1)
        painted = model.decode(tokens, as_they_come).float().cpu()
    return as_pixels(painted, images, config.patch_size, model.config.normalize)


def encoder_operations(model: MAE, keep: int, batch: int = 8) -> int:
    """Floating-point operations of the encoder's matrix products for a batch, of which `keep` patches are read.

    Args:
        model: a masked autoencoder on the CPU.
        keep: patches that are read.
        batch: pictures.
    """
    vit = model.config.encoder
    images = torch.zeros(batch, vit.channels, vit.image_size, vit.image_size)
    visible, _, _ = split_patches(draw_noise(batch, vit.grid**2), keep)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.encoder.read(pick(model.encoder.embed(images), visible))
    return counter.get_total_flops()


def tuned_accuracies(
    encoder: ViT,
    seeds: Sequence[int],
    count: int = 100,
    recipe: TuneRecipe | None = None,
    pictures: Pictures | None = None,
) -> dict[str, list[float]]:
    """A trained encoder tuned to few labels, and the same network tuned from random weights: one run of each for each seed.

    Both of a seed get the same labeled pictures, batches, views and linear layer. Only the weights differ that they start
    from.

    Args:
        encoder: trained without labels.
        seeds: of the draw of the labels and of the run.
        count: labels.
        recipe: of both; `TuneRecipe.main` by default.
        pictures: to judge by; the test pictures by default.

    Returns:
        "MAE" and "scratch" -> per cent right, one for each seed.
    """
    judged = pictures or test_pictures()
    found: dict[str, list[float]] = {"MAE": [], "scratch": []}
    for seed in seeds:
        known = labeled(count, seed)
        for name, start in (("MAE", encoder), ("scratch", make_vit(encoder.config, seed))):
            model = fine_tune(start.cpu(), known, recipe, seed, progress=False)
            found[name].append(accuracy(model, judged))
    return found


# ---- letters


@torch.no_grad()
def asked_nats(model: BertPretraining, asked: Asked, batch_size: int = 256) -> Float[Tensor, "asked"]:
    """How surprising each hidden letter is to BERT, -log p in nats, in the order of `asked.places`.

    Args:
        model: trained; left in the mode in which it came.
        asked: pieces with hidden letters.
        batch_size: pieces at a time.
    """
    place, found = next(model.parameters()).device, []
    with evaluating(model):
        for rows in torch.arange(len(asked.read)).split(batch_size):
            targets = asked.targets[rows].to(place)
            chosen = targets != IGNORED
            logits, _ = model(asked.read[rows].to(place), types=asked.types[rows].to(place), asked=chosen)
            found.append(F.cross_entropy(logits.float(), targets[chosen], reduction="none").cpu())
    return torch.cat(found)


@torch.no_grad()
def pair_accuracy(
    model: BertPretraining,
    text: Int64[Tensor, "text"],
    length: int,
    vocabulary: Vocabulary,
    count: int,
    seed: int = 0,
) -> float:
    """Per cent of pairs of which a model says rightly whether the second half follows; half of them do.

    Args:
        model: trained on both tasks.
        text: held out.
        length: letters of a piece.
        vocabulary: which tokens there are.
        count: pairs, at most the pieces of the text.
        seed: which pieces, which of them are torn, which letters are hidden.
    """
    generator = torch.Generator().manual_seed(seed)
    pieces = consecutive_pieces(text, length)
    pieces = pieces[torch.randperm(len(pieces), generator=generator)[:count]]
    read, types, _, labels = pair_batch(pieces, vocabulary, 0.5, generator)
    place, right = next(model.parameters()).device, 0
    with evaluating(model):
        for rows in torch.arange(len(read)).split(256):
            asked = torch.zeros_like(read[rows], dtype=torch.bool)
            _, relation = model(
                read[rows].to(place),
                types=types[rows].to(place),
                asked=asked.index_fill(1, torch.tensor([0]), True).to(place),
            )
            right += (relation.argmax(dim=1).cpu() == labels[rows]).sum().item()
    return 100 * right / len(read)


@torch.no_grad()
def fill_in(
    model: BertPretraining, text: str, tokenizer: CharTokenizer, vocabulary: Vocabulary, blank: str = "_"
) -> tuple[str, list[tuple[str, float]]]:
    """What a model writes into the blanks of a text, all at once.

    Args:
        model: trained.
        text: an even number of characters, with blanks in place of letters.
        tokenizer: of the letters.
        vocabulary: which tokens there are.
        blank: the character that stands for a blank; no letter of the plays.

    Returns:
        The text with the likeliest letters put in; and for each blank that letter and its probability.

    Raises:
        ValueError: an odd number of characters, or no blank.
    """
    if len(text) % 2 or blank not in text:
        raise ValueError(
            f"text has {len(text)} characters, {text.count(blank)} blanks: expected an even number, and a blank"
        )
    blanks = [i for i, letter in enumerate(text) if letter == blank]
    letters = torch.tensor(tokenizer.encode(text.replace(blank, " ")))
    letters[blanks] = vocabulary.mask
    half = len(text) // 2
    tokens, types = join_pairs(letters[None, :half], letters[None, half:], vocabulary.start, vocabulary.end)
    place = next(model.parameters()).device
    with evaluating(model):
        logits, _ = model(
            tokens.to(place), types=types.to(place), asked=(tokens == vocabulary.mask).to(place)
        )
    likely, found = logits.float().cpu()[:, : vocabulary.letters].softmax(dim=1).max(dim=1)
    written = [tokenizer.decode([token]) for token in found.tolist()]
    filled = list(text)
    for i, letter in zip(blanks, written, strict=True):
        filled[i] = letter
    return "".join(filled), list(zip(written, likely.tolist(), strict=True))
