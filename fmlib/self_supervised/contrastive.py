"""The experiments of the lesson on contrastive learning: how each method is trained, and how all are measured.

Everything is a function of a seed. The lesson runs some of them once; `make compare WHAT=contrastive` runs all of
them with three seeds, each with weights, batches, views and labeled pictures of its own.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib import scale
from fmlib.augment import Augmentation
from fmlib.compare import Comparison
from fmlib.data import Drawings, Pictures, load_emoji, load_fashion_mnist
from fmlib.distributed import unwrap
from fmlib.evaluate import embed, linear_probe, retrieval
from fmlib.resnet import ResNetConfig, SmallResNet
from fmlib.self_supervised.moco import MoCo, MoCoConfig
from fmlib.self_supervised.simclr import SimCLR, SimCLRConfig, nt_xent
from fmlib.train import History, ShuffledBatches, fit

FULL = Augmentation(crop=0.15, strength=0.8)  # the views of this lesson on gray pictures


@dataclass(frozen=True)
class Recipe:
    """Numbers of a contrastive run.

    Args:
        steps, batch_size: pictures seen are steps · batch_size, each in two views.
        rate: highest learning rate.
        temperature: of the loss.
        augment: how a view is made.
        queue_size, momentum: MoCo's.
    """

    steps: int
    batch_size: int = 128
    rate: float = 2e-3
    temperature: float = 0.3
    augment: Augmentation = field(default_factory=lambda: FULL)
    queue_size: int = 2048
    momentum: float = 0.99

    @classmethod
    def main(cls) -> "Recipe":
        """The run that the lesson is about, at the scale in force."""
        return cls(
            steps=scale.pick(smoke=4, cpu=1200, gpu=8000),
            batch_size=scale.pick(smoke=32, cpu=128, gpu=512),
        )

    @classmethod
    def short(cls) -> "Recipe":
        """A run of seconds, to compare what one change does."""
        return cls(
            steps=scale.pick(smoke=2, cpu=120, gpu=1000), batch_size=scale.pick(smoke=32, cpu=128, gpu=512)
        )


def make_encoder(channels: int, seed: int) -> SmallResNet:
    """The encoder that all methods share, with the weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        widths = scale.pick(smoke=(8, 16), cpu=(32, 64, 128), gpu=(64, 128, 256))
        return SmallResNet(ResNetConfig(channels=channels, widths=widths))


def two_views(
    images: Tensor, augment: Augmentation, generator: torch.Generator
) -> tuple[Float[Tensor, "batch channels height width"], Float[Tensor, "batch channels height width"]]:
    """Two random views of each picture; uint8 pictures are scaled to [0, 1] first."""
    images = images if images.is_floating_point() else images.float() / 255
    return augment(images, generator), augment(images, generator)


def train_simclr(
    images: Tensor, recipe: Recipe, seed: int = 0, encoder: nn.Module | None = None, **options: Any
) -> tuple[SimCLR, History]:
    """Train SimCLR on pictures without labels.

    Args:
        images: uint8 or float pictures [n, channels, height, width].
        recipe: the numbers.
        seed: of weights, batches and views.
        encoder: `make_encoder` by default.
        **options: passed to `fit`, e.g. `measure` or `checkpoint`.
    """
    encoder = encoder if encoder is not None else make_encoder(images.shape[1], seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SimCLR(encoder, config=SimCLRConfig(temperature=recipe.temperature))

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        z1, z2 = model(*two_views(batch, recipe.augment, generator))
        return nt_xent(z1, z2, recipe.temperature)

    batches = ShuffledBatches(images, batch_size=recipe.batch_size, seed=seed)
    history = fit(
        model, batches, loss, steps=recipe.steps, rate=recipe.rate, weight_decay=1e-4, seed=seed, **options
    )
    return model, history


def train_moco(
    images: Tensor, recipe: Recipe, seed: int = 0, encoder: nn.Module | None = None, **options: Any
) -> tuple[MoCo, History]:
    """Train MoCo on pictures without labels; as `train_simclr`, with a queue."""
    encoder = encoder if encoder is not None else make_encoder(images.shape[1], seed)
    config = MoCoConfig(
        temperature=recipe.temperature, queue_size=recipe.queue_size, momentum=recipe.momentum
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MoCo(encoder, config=config)

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        query, keys = model(*two_views(batch, recipe.augment, generator))
        return unwrap(model).loss(query, keys), keys

    batches = ShuffledBatches(images, batch_size=recipe.batch_size, seed=seed)
    history = fit(
        model,
        batches,
        loss,
        steps=recipe.steps,
        rate=recipe.rate,
        weight_decay=1e-4,
        seed=seed,
        after_step=lambda model, keys: model.update(keys),
        **options,
    )
    return model, history


def train_supervised(pictures: Pictures, seed: int = 0, **options: Any) -> nn.Module:
    """Train the same encoder with a linear layer on labels alone, from scratch.

    The steps grow with the number of labels; the views are gentle (a crop of at least 60 %, a mirror), which on the
    validation pictures was better than none, and no worse than SimCLR's.
    """
    encoder = make_encoder(1, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(encoder, nn.Linear(encoder.feature_dim, len(pictures.class_names)))
    steps = scale.pick(
        smoke=3, cpu=min(1000, 150 + len(pictures) // 5), gpu=min(4000, 300 + len(pictures) // 2)
    )
    augment = Augmentation(crop=0.6, jitter=0.0)

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        images, labels = batch
        return F.cross_entropy(model(augment(images.float() / 255, generator)), labels)

    batches = ShuffledBatches(
        pictures.images, pictures.labels, batch_size=min(64, len(pictures) // 2), seed=seed
    )
    fit(model, batches, loss, steps=steps, rate=2e-3, weight_decay=1e-2, seed=seed, **options)
    return model


# ---- measuring, alike for all


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


def probes(encoder: nn.Module, seed: int, counts: tuple[int, ...] | None = None) -> dict[int, float]:
    """Labels -> per cent of the test pictures that a linear probe on frozen features gets right."""
    test = test_pictures()
    features = embed(encoder, test.images)
    found = {}
    for count in counts or label_counts():
        known = labeled(count, seed)
        found[count] = linear_probe(embed(encoder, known.images), known.labels, features, test.labels)
    return found


def _named(row: str, found: dict[int, float]) -> dict[str, float]:
    return {f"{row}_probe_{count}": value for count, value in found.items()}


def simclr_row(seed: int) -> dict[str, float]:
    model, _ = train_simclr(load_fashion_mnist("train").images, Recipe.main(), seed, progress=False)
    return _named("simclr", probes(model.encoder, seed))


def moco_row(seed: int) -> dict[str, float]:
    model, _ = train_moco(load_fashion_mnist("train").images, Recipe.main(), seed, progress=False)
    return _named("moco", probes(model.encoder, seed))


def random_row(seed: int) -> dict[str, float]:
    return _named("random", probes(make_encoder(1, seed), seed))


def pixels_row(seed: int) -> dict[str, float]:
    return _named("pixels", probes(nn.Flatten(), seed))


def supervised_row(seed: int) -> dict[str, float]:
    test, found = test_pictures(), {}
    for count in label_counts():
        model = train_supervised(labeled(count, seed), seed, progress=False)
        right = embed(model, test.images).argmax(dim=1) == test.labels
        found[f"supervised_{count}"] = 100 * right.double().mean().item()
    return found


# ---- one change at a time, on the validation pictures: what is chosen here is not reported on the test set

TEMPERATURES = {"temperature_003": 0.03, "temperature_01": 0.1, "temperature_03": 0.3, "temperature_1": 1.0}
BATCH_SIZES = {"batch_16": 16, "batch_64": 64, "batch_256": 256}
AUGMENTATIONS = {
    "views_all": FULL,
    "views_no_crop": replace(FULL, crop=1.0),
    "views_no_flip": replace(FULL, flip=0.0),
    "views_no_jitter": replace(FULL, jitter=0.0),
    "views_none": Augmentation(crop=1.0, flip=0.0, jitter=0.0, gray=0.0),
}

QUEUES = {"queue_64": 64, "queue_512": 512, "queue_4096": 4096, "queue_4096_m0": 4096}  # and queue_simclr


def changed(row: str) -> Recipe:
    """The short recipe with the one change that a row is named for.

    Raises:
        ValueError: an unknown row.
    """
    short = Recipe.short()
    if row in TEMPERATURES:
        return replace(short, temperature=TEMPERATURES[row])
    if row in BATCH_SIZES:  # as many pictures in all, so fewer steps of larger batches
        size = scale.pick(smoke=min(32, BATCH_SIZES[row]), cpu=BATCH_SIZES[row], gpu=BATCH_SIZES[row])
        return replace(short, batch_size=size, steps=max(1, short.steps * short.batch_size // size))
    if row in AUGMENTATIONS:
        return replace(short, augment=AUGMENTATIONS[row])
    if row in QUEUES or row == "queue_simclr":
        steps = short.steps * scale.pick(smoke=1, cpu=2, gpu=2)
        momentum = 0.0 if row.endswith("_m0") else short.momentum
        return replace(short, batch_size=32, steps=steps, queue_size=QUEUES.get(row, 1), momentum=momentum)
    known = ", ".join([*TEMPERATURES, *BATCH_SIZES, *AUGMENTATIONS, *QUEUES, "queue_simclr"])
    raise ValueError(f"there is no row {row!r}: expected one of {known}")


def ablation_row(row: str, seed: int, **options: Any) -> dict[str, float]:
    """Train with one change; per cent of the validation pictures that a probe with 1,000 labels gets right."""
    options = {"progress": False} | options
    train = train_moco if row in QUEUES else train_simclr
    model, _ = train(load_fashion_mnist("train").images, changed(row), seed, **options)
    held_out, known = load_fashion_mnist("validation"), labeled(1000, seed)
    features = embed(model.encoder, held_out.images)
    return {
        row: linear_probe(
            embed(model.encoder, known.images), known.labels, features, held_out.labels, (0.03,)
        )
    }


# ---- emoji: which views help which task

EMOJI_VIEWS = {
    "emoji_colors": Augmentation(crop=0.3, strength=1.0),  # the usual recipe
    "emoji_moves": Augmentation(
        crop=0.6, degrees=25, shift=0.12, fill=1.0, jitter=0.5, strength=0.3, gray=0.0
    ),
}


def emoji_recipe(row: str) -> Recipe:
    """The emoji run that a row is named for."""
    return Recipe(
        steps=scale.pick(smoke=2, cpu=250, gpu=4000),
        batch_size=scale.pick(smoke=32, cpu=128, gpu=512),
        temperature=0.2,
        augment=EMOJI_VIEWS[row],
    )


@dataclass(frozen=True)
class EmojiTask:
    """Find the same emoji by another artist: who draws it here has never been seen in training, nor has the emoji."""

    queries: Float[Tensor, "queries 3 32 32"]
    moved: Float[Tensor, "queries 3 32 32"]
    gallery: Float[Tensor, "gallery 3 32 32"]
    targets: Int64[Tensor, " queries"]


def emoji_task(artist: str = "noto") -> EmojiTask:
    """Held-out emoji drawn by the held-out artist, to be found among one other artist's drawings of them.

    `moved` are the same queries turned by up to 25 degrees and shifted by up to an eighth.
    """
    queries: Drawings = load_emoji("held_out_both")
    gallery: Drawings = load_emoji("held_out_emoji", artists=(artist,))
    place = {int(e): i for i, e in enumerate(gallery.emoji_index)}
    kept = torch.tensor([i for i, e in enumerate(queries.emoji_index) if int(e) in place])
    queries = queries.subset(kept)
    move = Augmentation(crop=1.0, flip=0.0, degrees=25, shift=0.12, fill=1.0, jitter=0.0, gray=0.0)
    images = queries.rgb()
    moved = move(images, torch.Generator().manual_seed(0))
    targets = torch.tensor([place[int(e)] for e in queries.emoji_index])
    return EmojiTask(images, moved, gallery.rgb(), targets)


def emoji_measures(row: str, encoder: nn.Module) -> dict[str, float]:
    """Retrieval of aligned and of moved queries, and a linear probe of the emoji's group, in per cent."""
    task = emoji_task()
    gallery = embed(encoder, task.gallery)
    aligned = retrieval(embed(encoder, task.queries), gallery, task.targets, ranks=(1,))[1]
    moved = retrieval(embed(encoder, task.moved), gallery, task.targets, ranks=(1,))[1]
    train, test = load_emoji("train", artists=("noto",)), load_emoji("held_out_both")
    group = linear_probe(
        embed(encoder, train.rgb()), train.group_index, embed(encoder, test.rgb()), test.group_index, (1e-2,)
    )
    return {f"{row}_aligned": aligned, f"{row}_moved": moved, f"{row}_group": group}


def train_emoji(row: str, seed: int = 0, **options: Any) -> tuple[SimCLR, History]:
    """SimCLR on the training artists' training emoji, with the views that a row is named for."""
    return train_simclr(load_emoji("train").rgb(), emoji_recipe(row), seed, **options)


def emoji_row(row: str, seed: int) -> dict[str, float]:
    if row == "emoji_pixels":
        return emoji_measures(row, nn.Flatten())
    if row == "emoji_random":
        return emoji_measures(row, make_encoder(3, seed))
    model, _ = train_emoji(row, seed, progress=False)
    return emoji_measures(row, model.encoder)


COMPARISON = Comparison(
    prefix="self_supervised/contrastive",
    rows={
        "pixels": pixels_row,
        "random": random_row,
        "supervised": supervised_row,
        "simclr": simclr_row,
        "moco": moco_row,
        **{
            row: (lambda seed, row=row: ablation_row(row, seed))
            for row in [*TEMPERATURES, *BATCH_SIZES, *AUGMENTATIONS, "queue_simclr", *QUEUES]
        },
        **{
            row: (lambda seed, row=row: emoji_row(row, seed))
            for row in ["emoji_pixels", "emoji_random", *EMOJI_VIEWS]
        },
    },
)
