"""Exercises of the lesson on tokens."""

EXERCISES = ()
PREDICTIONS = ()
QUIZZES = ()
