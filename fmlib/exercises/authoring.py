"""What an author pastes into a notebook for an exercise."""

from fmlib.exercises import registry
from fmlib.exercises.exercise import KINDS


def cells(name: str) -> dict[str, str]:
    """The three cells of an exercise, as every notebook has them; the two of code run by themselves in a fresh kernel.

    Args:
        name: of the exercise.

    Returns:
        "markdown" (title, kind, difficulty, minutes, goal), "starter" and "check".

    Raises:
        UnknownExercise: no exercise is called so.
    """
    exercise = registry.find(name, registry.exercises(), 'cells("nt_xent")')
    facts = (
        f"*{KINDS[exercise.kind]} · difficulty {exercise.difficulty} of 3 · about {exercise.minutes} minutes*"
    )
    return {
        "markdown": f"### Exercise: {exercise.title}\n\n{facts}\n\n{exercise.goal.strip()}",
        "starter": exercise.starter.strip(),
        "check": f'from fmlib.exercises import check, hint, solution\n\ncheck("{name}", {name})',
    }
