"""Exercises of the self-supervised chapter, in the order of its lessons."""

from fmlib.exercises.self_supervised import (
    adaptation,
    comparison,
    contrastive,
    masked,
    pretext,
    without_negatives,
)

LESSONS = (pretext, contrastive, without_negatives, masked, adaptation, comparison)

EXERCISES = tuple(item for lesson in LESSONS for item in lesson.EXERCISES)
PREDICTIONS = tuple(item for lesson in LESSONS for item in lesson.PREDICTIONS)
QUIZZES = tuple(item for lesson in LESSONS for item in lesson.QUIZZES)
