"""What is asked beside the code: a number to predict and the quiz on adaptation."""

from fmlib.exercises.exercise import Prediction
from fmlib.exercises.quizzes import Choice, Question, Quiz

FORGETTING = Prediction(
    name="forgetting",
    chapter="llm",
    question="After tuning on Austen, by how many percent does the number of bits rise that the model needs for a "
    "character of held-out Shakespeare?",
    explanation="Nothing in the loss mentions Shakespeare any more. Weights that both authors need stay useful; those that "
    "only the plays needed are free to move, and the loss on Austen moves them.",
    close=0.3,
)

ADAPTATION = Quiz(
    name="adaptation",
    chapter="llm",
    title="Quiz: adaptation",
    questions=(
        Question(
            "You show a model five examples in its prompt. What of the model changes?",
            (
                Choice("All of its weights, a little.", "Nothing is trained: no gradient is computed."),
                Choice("The last layer.", "No weight changes, in no layer."),
                Choice(
                    "Nothing but what it attends to.",
                    "The weights stay; the examples are context, and the same weights do something else with it.",
                    right=True,
                ),
            ),
        ),
        Question(
            "A model is tuned on another author and gets worse at the first one. Which remedy needs no text of the first?",
            (
                Choice(
                    "Averaging the weights before and after.",
                    "It needs the two models and no data, and often gives up little of what was gained.",
                    right=True,
                ),
                Choice(
                    "Replay.",
                    "Replay is old text in new batches: without the text there is nothing to replay.",
                ),
                Choice("A higher rate.", "It moves the weights further, and more is forgotten."),
            ),
        ),
        Question(
            "In instruction tuning, why does the loss leave out the prompt?",
            (
                Choice(
                    "It may not be read.",
                    "It is read, and attended to; it is only no target.",
                ),
                Choice(
                    "The model should learn to answer, not to write instructions.",
                    "What counts in the loss is what the model gets better at writing.",
                    right=True,
                ),
                Choice("It would take too long to compute.", "Its logits are computed all the same."),
                Choice(
                    "Otherwise the prompt would leak the answer.",
                    "The causal mask sees to it that nothing leaks backward.",
                ),
            ),
        ),
        Question(
            "Your tuned model answers well and then goes on with other answers. What did you forget?",
            (
                Choice(
                    "A lower temperature.",
                    "A model that never learned to stop does not stop at any temperature.",
                ),
                Choice(
                    "To count the end mark as part of the answer.",
                    "It is the last target of each answer; without it nothing says when to stop.",
                    right=True,
                ),
                Choice(
                    "To pad on the left.",
                    "Padding decides what a batch looks like, not where an answer ends.",
                ),
            ),
        ),
        Question(
            "What is the DPO loss at the first step, before anything is learned?",
            (
                Choice("0.", "It is 0 only where the chosen answer has won by far."),
                Choice(
                    "log 2.",
                    "Policy and reference are the same, so the difference is 0, whatever beta is, and -log of 1/2 is log 2.",
                    right=True,
                ),
                Choice(
                    "It depends on the answers' lengths.",
                    "Each answer is compared with itself under the reference.",
                ),
                Choice("beta.", "It multiplies a difference that is 0 at the start."),
            ),
        ),
        Question(
            "In DPO training the loss falls. What can you be sure of?",
            (
                Choice(
                    "The chosen answers have become likelier.",
                    "Both may fall, the rejected ones further. This is common.",
                ),
                Choice(
                    "Chosen answers have gained on the rejected ones, compared with the reference.",
                    "That difference is all that the loss looks at.",
                    right=True,
                ),
                Choice(
                    "People will like the answers better.",
                    "They stand behind a rule or a few comparisons, and a model can satisfy these in unmeant ways.",
                ),
            ),
        ),
        Question(
            "You make beta ten times smaller. What happens?",
            (
                Choice(
                    "The model stays nearer to the reference.",
                    "The other way round: a small beta makes it cheap to leave.",
                ),
                Choice(
                    "The model may go much further from the reference before a pair counts as settled.",
                    "The difference of log-ratios must be ten times as large for the same loss.",
                    right=True,
                ),
                Choice(
                    "Only the learning rate changes.", "The loss has another shape, not only another scale."
                ),
            ),
        ),
    ),
)
