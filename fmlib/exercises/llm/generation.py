"""Exercises of the lesson on generation."""

EXERCISES = ()
PREDICTIONS = ()
QUIZZES = ()
