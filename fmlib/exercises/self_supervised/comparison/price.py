"""Which methods are worth their price: pareto_front."""

from collections.abc import Callable
from typing import Any

from fmlib.exercises.compare import Spelled, describe
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import Notes
from fmlib.self_supervised.comparison.judging import pareto_front


def plain_pareto_front(costs, scores):
    front = []
    for cost, score in zip(costs, scores, strict=True):
        beaten = False
        for c, s in zip(costs, scores, strict=True):
            if c <= cost and s >= score and (c < cost or s > score):
                beaten = True
        front.append(not beaten)
    return front


def points(*both):
    """Methods by (cost, score)."""
    return {"costs": [float(cost) for cost, _ in both], "scores": [float(score) for _, score in both]}


def watch_front(function: Callable, inputs: dict[str, Any]) -> Notes:
    """The list, spelled out; a tuple, an array or a row of ones and zeros says as much as a list of bools."""
    found = function(*inputs.values())
    listed = found.tolist() if hasattr(found, "tolist") else found
    if not isinstance(listed, (list, tuple)):
        return {"the result": found}
    items = [item.item() if hasattr(item, "item") else item for item in listed]
    if all(isinstance(item, (bool, int, float)) and item in (0, 1) for item in items):
        items = [bool(item) for item in items]
    plain = (bool, int, float, str)
    return {
        "the result": Spelled(
            f"[{', '.join(repr(item) if isinstance(item, plain) else describe(item) for item in items)}]"
        )
    }


BEATS = "c <= cost and s >= score and (c < cost or s > score)"
SEEN = "(cost, score) not in list(zip(costs, scores))[: len(front)]"

PARETO_FRONT = Exercise(
    name="pareto_front",
    chapter="self_supervised",
    title="Worth its price",
    kind="write",
    difficulty=2,
    minutes=10,
    goal="""
Method A *beats* method B if it costs at most as much and scores at least as high, and is strictly better in one of the
two. The methods that no other beats form the *Pareto front*: for each of them, whoever wants more must pay more.

`costs` and `scores` are lists of equal length, at least 1: one entry for each method, all floats. A low cost is good, a
high score is good. Return a list of `bool`s in the order of the methods: True for those on the front. Methods that are
equal in both do not beat each other.
""",
    starter='''
def pareto_front(costs, scores):
    """Which methods no other beats: a list of bools."""
    raise NotImplementedError("write pareto_front")
''',
    reference=pareto_front,
    observe=watch_front,
    cases=(
        Case("three methods, each better and more expensive", lambda g: points((1, 60), (2, 70), (3, 75))),
        Case("one is beaten", lambda g: points((1, 60), (3, 65), (2, 70))),
        Case("not in order of cost", lambda g: points((5, 80), (1, 50), (4, 70), (2, 75), (3, 60))),
        Case("two of equal cost", lambda g: points((1, 60), (2, 70), (2, 72))),
        Case("two of equal score", lambda g: points((1, 60), (3, 70), (2, 70))),
        Case("two that are equal in both", lambda g: points((2, 70), (2, 70), (1, 60))),
        Case("two equal ones that a third beats", lambda g: points((3, 65), (3, 65), (2, 70))),
        Case("costs of 0.3 to 33", lambda g: points((33, 71), (0.3, 60), (12.5, 72), (5, 66), (8.25, 64))),
        Case("a single method", lambda g: points((4, 50))),
        Case("negative scores and a cost of 0", lambda g: points((0, -9), (1, -5), (2, -7))),
        Case("one below the line between its neighbors", lambda g: points((1, 60), (2, 61), (3, 75))),
        Case("the worse one of equal cost comes last", lambda g: points((1, 60), (2, 72), (2, 70), (3, 71))),
        Case("small differences", lambda g: points((2, 0.9101), (2, 0.9102), (1, 0.9), (1.0001, 0.9))),
    ),
    misconceptions=(
        Misconception(
            "Of two methods with the same cost, or the same score, you keep both. One is enough to beat the other if it "
            "is equal in one thing and better in the other.",
            slips(
                plain_pareto_front,
                {BEATS: "c < cost and s > score"},
            ),
        ),
        Misconception(
            "Methods that are equal in both beat each other with you, and each beats itself: ask for one of the two to "
            "be strictly better.",
            slips(plain_pareto_front, {" and (c < cost or s > score)": ""}),
        ),
        Misconception(
            "Equal methods: you keep the first and drop the others. They do not beat each other.",
            slips(
                plain_pareto_front,
                {"front.append(not beaten)": f"front.append(not beaten and {SEEN})"},
            ),
        ),
        Misconception(
            "You ask for *high* costs.",
            slips(
                plain_pareto_front,
                {BEATS: "c >= cost and s >= score and (c > cost or s > score)"},
            ),
        ),
        Misconception(
            "You ask for *low* scores.",
            slips(
                plain_pareto_front,
                {BEATS: "c <= cost and s <= score and (c < cost or s < score)"},
            ),
        ),
        Misconception(
            "True marks the methods that are beaten: it is the other way round.",
            slips(plain_pareto_front, {"not beaten": "beaten"}),
        ),
        Misconception(
            "You return the methods' numbers. What is asked for is a bool for each method.",
            slips(plain_pareto_front, {"return front": "return [i for i, on in enumerate(front) if on]"}),
        ),
        Misconception(
            "The list is in order of cost. It must be in the order in which the methods came.",
            slips(
                plain_pareto_front,
                {
                    "return front": "return [front[i] for i in sorted(range(len(costs)), key=costs.__getitem__)]"
                },
            ),
        ),
    ),
    hints=(
        "For each method look at all others: does one beat it?",
        "`c <= cost and s >= score` says at least as good in both. Of equal ones each would then beat the other.",
        "Add `and (c < cost or s > score)`.",
    ),
)
