"""What is asked beside the code: a number to predict and the quiz on learning from the prompt."""

from fmlib.exercises.exercise import Prediction
from fmlib.exercises.quizzes import Choice, Question, Quiz

UNSEEN_KEY = Prediction(
    name="in_context_accuracy",
    chapter="llm",
    question="How many percent of the questions does the model get right with 5 examples before each, when it has never "
    "seen the mapping and every example shows one of 6 keys?",
    explanation="What limits it is not reading but chance: with 5 examples some keys have not been shown yet, and nobody "
    "can know their values. Compare with the best that is possible.",
    close=0.15,
)

IN_CONTEXT = Quiz(
    name="in_context",
    chapter="llm",
    title="Quiz: learning from the prompt",
    questions=(
        Question(
            "A model answers better with four examples in its prompt than with none. What changed inside?",
            (
                Choice(
                    "Its weights took a small step for each example.",
                    "No gradient is computed: nothing is stored.",
                ),
                Choice(
                    "Only what its attention can look at: the weights are the same.",
                    "Take the examples away, and it is the model that it was.",
                    right=True,
                ),
                Choice(
                    "Its cache was trained on the examples.",
                    "The cache holds what the weights make of the prompt; nothing in it is trained.",
                ),
            ),
        ),
        Question(
            "Why is the mapping drawn anew for every text, and why are the mappings of the test kept apart?",
            (
                Choice(
                    "So that the task becomes harder to learn.",
                    "It does, but that is not what it is for.",
                ),
                Choice(
                    "So that a right answer can only come from reading the examples, not from weights.",
                    "With one mapping for all, the weights hold it, and the examples are never looked at.",
                    right=True,
                ),
                Choice(
                    "So that all tokens are equally frequent.",
                    "A fixed mapping with random keys could have that, too.",
                ),
            ),
        ),
        Question(
            "What does an induction head in the second layer need from the first?",
            (
                Choice(
                    "A head that writes into each position which token stood before it.",
                    "Then the place behind an earlier A says: before me stood A. That is what the second A looks for.",
                    right=True,
                ),
                Choice(
                    "A head that finds the same token again.",
                    "That finds the earlier A, while the answer stands one place behind it.",
                ),
                Choice(
                    "Nothing: one layer suffices.",
                    "In one layer a key says only what stands at its own position, not what stood before.",
                ),
            ),
        ),
        Question(
            "Accuracy falls to chance when you turn off a head of the first layer. Is it an induction head?",
            (
                Choice(
                    "Yes: only induction heads matter for in-context learning.",
                    "An induction head fails as well when what it reads is missing.",
                ),
                Choice(
                    "Not by that alone: a knock-out shows that a head is needed, its attention map what it does.",
                    "It may write what an induction head of the second layer reads, as previous-token heads do.",
                    right=True,
                ),
                Choice(
                    "No: heads of the first layer never matter.",
                    "They write what the second layer reads.",
                ),
            ),
        ),
        Question(
            "You compare few-shot accuracy at k = 1 and k = 8. Which of these spoils the comparison?",
            (
                Choice(
                    "Other examples are drawn for each question.",
                    "That is right: one lucky set of examples says little.",
                ),
                Choice(
                    "The question that is asked may be among the examples.",
                    "Then its answer stands in the prompt, the more often the larger k is.",
                    right=True,
                ),
                Choice(
                    "The candidates are the same at both k.",
                    "They must be, or chance differs.",
                ),
            ),
        ),
    ),
)
