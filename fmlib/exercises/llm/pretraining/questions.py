"""What is asked beside the code: a number to predict and the quiz on pretraining."""

from fmlib.exercises.exercise import Prediction
from fmlib.exercises.quizzes import Choice, Question, Quiz

UNTRAINED_LOSS = Prediction(
    name="untrained_loss",
    chapter="llm",
    question="A GPT with a vocabulary of 4,096 tokens has not been trained yet. How large is its loss, in nats per token?",
    explanation="It finds all tokens about equally likely, so each surprises by ln 4096 = 8.32 nats. A first loss far above "
    "that means weights that start too large; far below, that the answer leaks in. Look at it before every long run.",
    close=0.03,
)

PRETRAINING = Quiz(
    name="pretraining",
    chapter="llm",
    title="Quiz: pretraining",
    questions=(
        Question(
            "Model A has a loss of 3.0 nats per token with a vocabulary of 1,000 tokens, model B 3.3 with one of "
            "50,000. Which is better?",
            (
                Choice("A: its loss is lower.", "Of smaller tokens. Each of B's stands for more text."),
                Choice(
                    "One cannot say without the length of the text in tokens and characters.",
                    "Losses per token compare only with the same tokenizer. Bits per character compare with any.",
                    right=True,
                ),
                Choice("B: a larger vocabulary is harder.", "Harder per token, but there are fewer of them."),
            ),
        ),
        Question(
            "xz was given the training plays before it packed the held-out ones. Why?",
            (
                Choice(
                    "A rival must be allowed to see what the model saw.",
                    "Packed alone, the compressor would have to learn English from three plays, and be beaten for nothing.",
                    right=True,
                ),
                Choice("Otherwise it would be too slow.", "It is slower this way."),
                Choice(
                    "So that it can find the held-out plays in them.",
                    "They are not in there: the splits are by whole plays.",
                ),
            ),
        ),
        Question(
            "The gradient's norm is usually 0.4. At one step it is 80, and you clip at 1. What does clipping do to "
            "this gradient?",
            (
                Choice("It drops it: the step is skipped.", "It is shortened, not skipped."),
                Choice(
                    "It scales it down to a norm of 1; its direction stays.",
                    "All parts are multiplied by the same factor, here 1/80.",
                    right=True,
                ),
                Choice(
                    "It cuts every number of it to lie between -1 and 1.",
                    "That is clipping by value, which bends the direction. By norm is what is usual.",
                ),
            ),
        ),
        Question(
            "You fitted L(N) = E + A · N^-alpha to models that all saw the same few tokens. What is in E?",
            (
                Choice(
                    "Only the entropy of English: what nobody can guess.",
                    "With endless tokens it would be. Yours also holds what so few tokens leave unlearned at any size.",
                ),
                Choice(
                    "What no size gets below with these tokens: the text's own surprise and what the data leave unlearned.",
                    "More tokens would lower it. Hoffmann et al. 2022 give the tokens a term of their own, B · D^-beta.",
                    right=True,
                ),
                Choice("The error of the fit.", "That shows in the interval, not in E."),
            ),
        ),
        Question(
            "Your larger run ends above the interval that the small ones predicted. What is the least likely reason?",
            (
                Choice(
                    "Its learning rate suits the small models.",
                    "Very likely: the best rate changes with the width. A law holds for runs that are each well tuned.",
                ),
                Choice(
                    "It was trained on fewer tokens for each parameter than the law assumes.",
                    "Likely: then the data, not the size, are what is short.",
                ),
                Choice(
                    "Power laws don't hold for language models.",
                    "They have held over seven orders of magnitude of compute. Look at your run first.",
                    right=True,
                ),
            ),
        ),
        Question(
            "A run in two processes ends elsewhere than the same run in one. Both have batch size 32 and the same seed. "
            "What do you look at first?",
            (
                Choice(
                    "Whether each process takes its own half of the same 32 pieces.",
                    "If each draws its own 32, the batch is 64; if both take the same 16, it is 16.",
                    right=True,
                ),
                Choice(
                    "The network between them.",
                    "It makes a run slow, not different, but for rounding.",
                ),
                Choice(
                    "Whether gradients are summed or averaged by hand.", "The wrapper averages them for you."
                ),
            ),
        ),
    ),
)
