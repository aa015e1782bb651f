"""Puzzles: farthest_order."""

from itertools import permutations

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.self_supervised.pretext.jigsaw import farthest_order


def plain_farthest(every, chosen):
    best, best_distance = -1, -1
    for row, order in enumerate(every):
        distances = [int((order != every[other]).sum()) for other in chosen]
        nearest = min(distances)
        if nearest > best_distance:
            best, best_distance = row, nearest
    return torch.tensor(best)


def orders_and_chosen(generator, tiles, chosen):
    every = torch.tensor(list(permutations(range(tiles))))
    every = every[torch.randperm(len(every), generator=generator)][:60]
    return {"every": every, "chosen": torch.tensor(chosen)}


FARTHEST_ORDER = Exercise(
    name="farthest_order",
    chapter="self_supervised",
    title="Orders that are far apart",
    kind="write",
    difficulty=2,
    minutes=15,
    goal="""
Which orders should a puzzle have? Two that differ in two places only are nearly one question. The *Hamming
distance* counts the places in which two orders differ. `every` is int64 `[n, tiles]`, a different order in each row;
`chosen`, int64 `[m]` with m from 1 to n - 1, holds the indices of different rows that are already taken. Return the
index of the row, as an
int64 scalar tensor, whose distance to the *nearest* of the chosen orders is the largest; if several are as far,
the first of them.
""",
    starter='''
import torch


def farthest_order(every, chosen):
    """The row of `every` that is farthest from all that are chosen: an int64 scalar."""
    raise NotImplementedError("write farthest_order")
''',
    reference=farthest_order,
    observe=watch(),
    cases=(
        Case("3 tiles, 1 chosen", lambda g: orders_and_chosen(g, 3, [0])),
        Case("3 tiles, 2 chosen", lambda g: orders_and_chosen(g, 3, [4, 1])),
        Case("4 tiles, 3 chosen", lambda g: orders_and_chosen(g, 4, [5, 17, 2])),
        Case("4 tiles, 6 chosen", lambda g: orders_and_chosen(g, 4, [0, 3, 8, 9, 20, 23])),
        Case("5 tiles, 4 chosen", lambda g: orders_and_chosen(g, 5, [7, 41, 0, 59])),
        Case("5 tiles, 12 chosen", lambda g: orders_and_chosen(g, 5, list(range(3, 51, 4)))),
        Case("2 tiles, 1 chosen", lambda g: orders_and_chosen(g, 2, [1])),
        Case("3 tiles, all but one chosen", lambda g: orders_and_chosen(g, 3, [0, 1, 2, 4, 5])),
        Case(
            "mean and nearest disagree",
            lambda g: {
                "every": torch.tensor([[0, 1, 2, 3], [1, 0, 2, 3], [1, 0, 3, 2], [0, 1, 3, 2], [3, 2, 1, 0]]),
                "chosen": torch.tensor([0, 4]),
            },
        ),
    ),
    misconceptions=(
        Misconception(
            "You add up (or average) the distances to all chosen orders. An order may be far from most of "
            "them and still next "
            "to one: look at the nearest.",
            slips(
                plain_farthest,
                {"min(distances)": "sum(distances)"},
                {"min(distances)": "sum(distances) / len(distances)"},
            ),
        ),
        Misconception(
            "You look at the chosen order that is farthest away, not at the nearest: an order that is "
            "next to one of them must lose.",
            slips(plain_farthest, {"min(distances)": "max(distances)"}),
        ),
        Misconception(
            "Only the chosen order at one end of the list counts. Compare with all of them.",
            slips(
                plain_farthest,
                {"min(distances)": "distances[-1]"},
                {"min(distances)": "distances[0]"},
                {"min(distances)": "min(distances[1:] or distances)"},
                {"min(distances)": "min(distances[:-1] or distances)"},
            ),
        ),
        Misconception(
            "Of several orders that are as far, the last is taken. The goal asks for the first.",
            slips(plain_farthest, {"nearest > best_distance": "nearest >= best_distance"}),
        ),
        Misconception(
            "You measure how large the differences of the numbers are. A tile is in its place or it is "
            "not: count the places "
            "that differ.",
            slips(
                plain_farthest,
                {"int((order != every[other]).sum())": "int((order - every[other]).abs().sum())"},
                {"int((order != every[other]).sum())": "int((order - every[other]).square().sum())"},
            ),
        ),
        Misconception(
            "You return the order that is *most similar* to a chosen one: places that are equal are "
            "counted, or the smallest distance wins.",
            slips(
                plain_farthest,
                {"order != every[other]": "order == every[other]"},
                {
                    "best, best_distance = -1, -1": "best, best_distance = -1, 99",
                    "nearest > best": "nearest < best",
                },
            ),
        ),
    ),
    hints=(
        "First the table of distances [n, m]: `every[:, None] != every[chosen]` compares every order with "
        "every chosen one.",
        "Sum over the places, then take the minimum over the chosen ones.",
        "`(every[:, None] != every[chosen]).sum(2).amin(1).argmax()`.",
    ),
)
