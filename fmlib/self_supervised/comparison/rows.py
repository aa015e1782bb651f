"""The rows of the comparison as a lesson shows them: what the ledger has of each, and any one computed now."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fmlib.results import ledger
from fmlib.self_supervised.comparison.budget import METHODS, Budget, train
from fmlib.self_supervised.comparison.experiments import COMPARISON, costs_row
from fmlib.self_supervised.comparison.measures import measure

TITLES: Mapping[str, str] = {
    "rotation": "rotation",
    "jigsaw": "jigsaw",
    "colorization": "colorization",
    "simclr": "SimCLR",
    "moco": "MoCo",
    "byol": "BYOL",
    "barlow": "Barlow Twins",
    "vicreg": "VICReg",
    "dino": "DINO",
    "mae": "MAE",
}
BASELINES: Mapping[str, str] = {"pixels": "raw pixels", "random": "random weights"}
UNTRAINED: Mapping[str, str] = BASELINES | {"random_vit": "random weights, MAE's network"}
ALL: Mapping[str, str] = TITLES | UNTRAINED | {"supervised": "supervised from scratch"}
MEASURES: Mapping[str, str] = {
    "probe_100": "100 labels",
    "probe_1000": "1,000 labels",
    "retrieval": "retrieval",
}
COLUMNS: Mapping[str, str] = MEASURES | {"step_time": "time of a step, SimCLR's = 1", "kept": "kept, MB"}


@dataclass(frozen=True)
class Published:
    """A figure of a paper: ImageNet, a linear classifier on frozen features, all labels.

    Args:
        accuracy: per cent of the validation pictures.
        network: that it is of.
        training: how long, and in which batches, where the source says so.
        source: key in the book's references.
    """

    accuracy: float
    network: str
    training: str
    source: str


PUBLISHED: Mapping[str, Published] = {
    "rotation": Published(47.0, "ResNet-50", "70 epochs, batch 128", "mmselfsup2021"),
    "simclr": Published(69.3, "ResNet-50", "1,000 epochs, batch 4,096", "chen2020simple"),
    "moco": Published(71.1, "ResNet-50", "v2, 800 epochs, batch 256", "chen2020improved"),
    "byol": Published(74.3, "ResNet-50", "1,000 epochs, batch 4,096", "grill2020bootstrap"),
    "barlow": Published(73.2, "ResNet-50", "1,000 epochs, batch 2,048", "zbontar2021barlow"),
    "vicreg": Published(73.2, "ResNet-50", "1,000 epochs, batch 2,048", "bardes2022vicreg"),
    "dino": Published(77.0, "ViT-S/16", "batch 1,024", "caron2021emerging"),
    "mae": Published(68.0, "ViT-B", "800 or 1,600 epochs", "he2022masked"),
}


def table_rows() -> dict[str, list[str | None]]:
    """Title of each row -> its result names in the order of `COLUMNS`, None where it has none."""
    found: dict[str, list[str | None]] = {
        title: [f"{row}_{name}" for name in COLUMNS] for row, title in TITLES.items()
    }
    without_steps = [name if name in MEASURES else None for name in COLUMNS]
    for row, title in UNTRAINED.items():
        found[title] = [name and f"{row}_{name}" for name in without_steps]
    found[ALL["supervised"]] = ["supervised_100", "supervised_1000"] + [None] * (len(COLUMNS) - 2)
    return found


def stored_runs(name: str, baselines: bool = False) -> dict[str, list[float]]:
    """What the ledger has of one measure: row -> a number for each seed; rows that are not yet run are left out.

    Args:
        name: one of `MEASURES`.
        baselines: with raw pixels and random weights.

    Raises:
        ValueError: an unknown measure.
    """
    if name not in MEASURES:
        raise ValueError(f"name is {name!r}: expected one of {', '.join(MEASURES)}")
    known = ledger.results(COMPARISON.prefix + "/")
    rows = TITLES | BASELINES if baselines else TITLES
    return {
        row: known[full]["runs"] for row in rows if (full := f"{COMPARISON.prefix}/{row}_{name}") in known
    }


def stored_levels(name: str) -> dict[str, float]:
    """The lines beside a measure: means of the baselines and, with labels, of the supervised network, as far as known."""
    runs = {
        BASELINES[row]: runs for row, runs in stored_runs(name, baselines=True).items() if row in BASELINES
    }
    supervised = f"{COMPARISON.prefix}/{name.replace('probe', 'supervised')}"
    if supervised in (known := ledger.results(f"{COMPARISON.prefix}/supervised")):
        runs["supervised"] = known[supervised]["runs"]
    return {title: sum(values) / len(values) for title, values in runs.items()}


def minutes_per_seed() -> dict[str, float]:
    """Row -> minutes that one seed of it took, training and measures together, on whatever machine that was."""
    known = ledger.results(COMPARISON.prefix + "/")
    found = {}
    for row in COMPARISON.rows:
        entry = known.get(f"{COMPARISON.prefix}/{row}_{'100' if row == 'supervised' else 'probe_100'}")
        if entry and entry["seconds"] is not None:
            found[row] = entry["seconds"] / entry["n"] / 60
    return found


def compute_row(row: str, seed: int = 0, steps: int | None = None, progress: bool = True) -> dict[str, float]:
    """Compute one row of the comparison now, with one seed.

    Args:
        row: a method, "pixels", "random" or "supervised".
        seed: of weights, batches, views and the draw of the labels.
        steps: of a method's training; those of the comparison by default. With fewer the numbers do not compare with the
            stored ones.
        progress: show a bar.

    Returns:
        The row's numbers under the names that the ledger gives them.

    Raises:
        ValueError: an unknown row, steps that are no positive whole number, or steps for a row that does not train by them.
    """
    known = [name for name in COMPARISON.rows if name != "costs"]  # that one is of all methods
    if row not in known:
        raise ValueError(f"row is {row!r}: expected one of {', '.join(known)}")
    if row not in METHODS:
        if steps is not None:
            raise ValueError(
                f"steps is {steps!r}: expected None, since {row} is not trained by the budget's steps"
            )
        return COMPARISON.rows[row](seed)
    budget = Budget.main() if steps is None else replace(Budget.main(), steps=steps)
    encoder, _ = train(row, budget, seed, progress=progress)
    measured = {f"{row}_{name}": value for name, value in measure(encoder, seed).items()}
    return measured | costs_row(seed, (row,))
