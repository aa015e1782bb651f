"""Exercises of the language model chapter, in the order of its lessons."""

from fmlib.exercises.llm import generation, tokens, transformer

LESSONS = (tokens, transformer, generation)

EXERCISES = tuple(item for lesson in LESSONS for item in lesson.EXERCISES)
PREDICTIONS = tuple(item for lesson in LESSONS for item in lesson.PREDICTIONS)
QUIZZES = tuple(item for lesson in LESSONS for item in lesson.QUIZZES)
