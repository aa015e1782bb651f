"""Exercises of the lesson on transformer."""

EXERCISES = ()
PREDICTIONS = ()
QUIZZES = ()
