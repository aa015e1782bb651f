"""Predict, then run: a guess that is kept before the number is measured, and shown beside it afterwards."""

import math
from numbers import Real
from typing import SupportsFloat

from fmlib.exercises import registry, store
from fmlib.exercises.compare import describe
from fmlib.exercises.showing import Card


def predict(name: str, guess: SupportsFloat | None) -> Card:
    """Keep your guess of a number that you are about to measure.

    Args:
        name: of the prediction.
        guess: your number, or None while you have none.

    Returns:
        The question, with your guess.

    Raises:
        UnknownExercise: no prediction is called so.
        TypeError: the guess is not a number.
        ValueError: the guess is not finite.
    """
    asked = registry.find(name, registry.predictions(), 'predict("first_loss", 2.5)')
    if guess is None:
        return Card("info", f"{asked.question}", ("No guess yet: replace `None` with your number.",))
    number = _finite("guess", guess)

    def change(entry: store.Entry) -> None:
        entry["guess"] = number
        entry["tries"] += 1

    _, trouble = store.update(name, change)
    lines = (f"You guess {number:g}. Now measure it.", *([trouble] if trouble else []))
    return Card("info", f"{asked.question}", lines)


def reveal(name: str, measured: SupportsFloat) -> Card:
    """Your guess beside what came out, and why.

    Args:
        name: of the prediction.
        measured: the number that the notebook has just measured, a Python number or a scalar tensor.

    Returns:
        Both, with the explanation.

    Raises:
        UnknownExercise: no prediction is called so.
        TypeError: `measured` is not a number.
        ValueError: `measured` is not finite.
    """
    asked = registry.find(name, registry.predictions(), 'reveal("first_loss", loss)')
    number = _finite("measured", measured)
    known, trouble = store.entries()
    guess = known.get(name, store.BLANK)["guess"]
    if guess is None:
        lines = (f"Measured: {number:.4g}. You made no guess.", asked.explanation)
        return Card("info", asked.question, tuple(line for line in (*lines, trouble) if line))

    def change(entry: store.Entry) -> None:
        entry["passed"] = True

    _, trouble = store.update(name, change)
    near = abs(guess - number) <= asked.close * abs(number)
    verdict = "close" if near else "too high" if guess > number else "too low"
    lines = (f"Measured: {number:.4g}. Your guess, {guess:g}, was {verdict}.", asked.explanation, trouble)
    return Card("good" if near else "info", asked.question, tuple(line for line in lines if line))


def _finite(what: str, value: SupportsFloat) -> float:
    if getattr(value, "ndim", None) == 0:
        value = value.item()  # a scalar of torch or NumPy
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{what} is {describe(value)}: expected a number, e.g. 2.5")
    if not math.isfinite(value):
        raise ValueError(f"{what} is {value}: expected a finite number")
    return float(value)
