"""What is asked beside the code: a number to predict and the quiz on the transformer."""

from fmlib.exercises.exercise import Prediction
from fmlib.exercises.quizzes import Choice, Question, Quiz

MLP_SHARE = Prediction(
    name="mlp_share",
    chapter="llm",
    question="Which share of GPT-2 small's 124 million parameters, in percent, lies in the MLPs of its blocks?",
    explanation="Each of the 12 blocks has an MLP of 8 · 768² weights and its biases, 4.7 million, twice as many "
    "as its attention has: 57 million of 124. The table of 50,257 tokens takes nearly a third, and shrinks to "
    "almost nothing in larger models: it grows with the width, the blocks with its square.",
)

TRANSFORMER = Quiz(
    name="transformer",
    chapter="llm",
    title="Quiz: the transformer",
    questions=(
        Question(
            "Why are the logits of attention divided by the square root of the head's width?",
            (
                Choice(
                    "So that the rows of the attention map sum to 1.",
                    "The softmax sees to that, whatever goes in.",
                ),
                Choice(
                    "A sum of d products of unit variance has variance d: undivided, queries and keys of that size give "
                    "wide heads a softmax that picks one key.",
                    "Divided by the root, the logits have variance 1 at every width.",
                    right=True,
                ),
                Choice(
                    "To make attention cheaper.",
                    "It is one more multiplication. The cost is that of two products of matrices.",
                ),
                Choice(
                    "So that far positions count less.",
                    "Nothing in attention knows how far away a key is.",
                ),
            ),
        ),
        Question(
            "You take the positions out of a GPT that has one block only. What can it still tell?",
            (
                Choice(
                    "Everything: the causal mask shows the order.",
                    "The mask shows which tokens came before, not in which order they came. From the second block on it "
                    "does leak some order, since earlier positions have seen fewer tokens.",
                ),
                Choice("Nothing at all.", "It still sees which tokens came before, and its own."),
                Choice(
                    "Its own token and the set of those before it, but not their order.",
                    "Attention is a weighted sum: swap two earlier tokens and the sum is the same.",
                    right=True,
                ),
            ),
        ),
        Question(
            "Your GPT's loss falls to nearly zero within minutes, on held-out text as well. What do you suspect first?",
            (
                Choice("It has overfitted.", "Then the loss on held-out text would be high."),
                Choice(
                    "A position sees the token that it must predict.",
                    "A mask off by one, targets that are not shifted, or heads merged without a transpose: all of them "
                    "let the answer in.",
                    right=True,
                ),
                Choice("The learning rate is too high.", "That makes losses jump or diverge, not vanish."),
                Choice(
                    "The model is very good.",
                    "Text has an entropy: nobody knows the next letter for certain.",
                ),
            ),
        ),
        Question(
            "Which of these changes the number of parameters of a GPT?",
            (
                Choice(
                    "More heads, at the same width.",
                    "The heads share the width: twice as many are half as wide.",
                ),
                Choice(
                    "Tying the output matrix to the token embedding.",
                    "Untied, there would be another table of vocabulary times width.",
                    right=True,
                ),
                Choice("A longer text in the batch.", "The same weights work at every position."),
                Choice(
                    "The causal mask.",
                    "It is computed from two lengths; nothing in it is learned.",
                ),
            ),
        ),
        Question(
            "What does pre-norm change against the post-norm of 2017?",
            (
                Choice(
                    "The stream from the embedding to the last norm is a plain sum: gradients pass through it unchanged.",
                    "Norms stand in the branches only.",
                    right=True,
                ),
                Choice(
                    "It saves the layer norms' parameters.", "There are as many, and one more at the end."
                ),
                Choice(
                    "It keeps the residual stream at the same size in every layer.",
                    "The other way round: post-norm does, and with pre-norm the stream grows.",
                ),
            ),
        ),
        Question(
            "You double the length of the texts and keep the tokens of a batch. What happens to the cost of a step?",
            (
                Choice(
                    "It stays the same: the tokens are as many.",
                    "That is true of the matrices, not of attention: each query now looks at twice as many keys.",
                ),
                Choice(
                    "It doubles.",
                    "Only attention's part does. In a short text of a wide model that part is small.",
                ),
                Choice(
                    "The part of attention's maps doubles, the rest stays.",
                    "Per token, matrices cost 6 operations a weight at any length, the maps 12 · layers · length · width.",
                    right=True,
                ),
            ),
        ),
    ),
)
