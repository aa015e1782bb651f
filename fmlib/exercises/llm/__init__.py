"""Exercises of the language model chapter, in the order of its lessons."""

from fmlib.exercises.llm import adaptation, family, generation, gpt, pretraining, tokens

LESSONS = (tokens, gpt, pretraining, generation, adaptation, family)

EXERCISES = tuple(item for lesson in LESSONS for item in lesson.EXERCISES)
PREDICTIONS = tuple(item for lesson in LESSONS for item in lesson.PREDICTIONS)
QUIZZES = tuple(item for lesson in LESSONS for item in lesson.QUIZZES)
