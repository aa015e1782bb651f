"""Exercises that name the mistake: check, hint, solution, progress, quiz, predict and reveal.

In a notebook, ``check("nt_xent", nt_xent)`` as the last line of a cell says passed, not attempted, or what is wrong.
"""

from fmlib.exercises.authoring import cells
from fmlib.exercises.checking import Result, check
from fmlib.exercises.helping import hint, progress, quiz, solution
from fmlib.exercises.predicting import predict, reveal
from fmlib.exercises.registry import UnknownExercise

__all__ = [
    "Result",
    "UnknownExercise",
    "cells",
    "check",
    "hint",
    "predict",
    "progress",
    "quiz",
    "reveal",
    "solution",
]
