"""What is asked beside the code: a number to predict and the quiz on generation."""

from fmlib.exercises.exercise import Prediction
from fmlib.exercises.quizzes import Choice, Question, Quiz

NUCLEUS_SIZE = Prediction(
    name="nucleus_size",
    chapter="llm",
    question="On held-out plays, how many tokens does it take, on average, to hold 90 % of the probability of "
    "what comes next?",
    explanation="An average hides what matters here. Where a word is half written, one or two tokens are often enough; "
    "where a new one begins, it may take hundreds. A fixed k keeps many that hardly ever come in the first place, and cuts "
    "off likely ones in the second; top-p follows the model.",
    close=0.25,
)

GENERATION = Quiz(
    name="generation",
    chapter="llm",
    title="Quiz: generation",
    questions=(
        Question(
            "The likeliest token has probability 0.97. How many tokens does top-p with p = 0.9 leave?",
            (
                Choice("None: it has more than p.", "Then nothing could be drawn; this is the classic bug."),
                Choice(
                    "One.",
                    "The nucleus is the smallest set that reaches 0.9, and the first token alone does.",
                    right=True,
                ),
                Choice("Two.", "The first already reaches p, so the second is outside."),
                Choice(
                    "Nine tenths of the vocabulary.", "p is a share of the probability, not of the tokens."
                ),
            ),
        ),
        Question(
            "You raise the temperature from 0.7 to 1.4. What changes?",
            (
                Choice(
                    "The order of the tokens.",
                    "All logits are divided by the same positive number: the order stays.",
                ),
                Choice(
                    "The model's weights are perturbed more.",
                    "The model is as it was; only what is done with its logits changes.",
                ),
                Choice(
                    "Unlikely tokens are drawn more often.",
                    "Differences between logits are halved, so the probabilities move toward each other.",
                    right=True,
                ),
                Choice("More tokens have a probability above 0.", "Without a filter, all of them have one."),
            ),
        ),
        Question(
            "Beam search finds likelier texts than sampling does. Why is it rarely used to write freely?",
            (
                Choice(
                    "It cannot use a cache.",
                    "It can: when beams are reordered, so are the rows of the cache.",
                ),
                Choice(
                    "The likeliest texts are dull and repeat themselves; what people write is less likely.",
                    "People say what is not already known. For translation, where the answer is nearly fixed, the "
                    "likeliest text is often the right one.",
                    right=True,
                ),
                Choice(
                    "It draws random numbers, so results cannot be repeated.",
                    "Beam search draws nothing.",
                ),
            ),
        ),
        Question(
            "Why are keys and values kept in the cache, and queries not?",
            (
                Choice(
                    "Queries are too large.",
                    "A query has as many numbers as its key.",
                ),
                Choice(
                    "A past position's query is never needed again.",
                    "Only the newest position asks; it asks all past keys, and gathers all past values.",
                    right=True,
                ),
                Choice(
                    "Queries change with each new token.",
                    "In a causal model nothing about a past position changes: that is why a cache is exact.",
                ),
            ),
        ),
        Question(
            "Prompts of different lengths are padded on the left. What else, besides a mask, must be right?",
            (
                Choice(
                    "The padding token must be that of a space.",
                    "Nobody looks at it, so any token will do.",
                ),
                Choice(
                    "Each row's positions must count from its own first token.",
                    "Otherwise the same prompt stands elsewhere in a batch than alone, and gets other logits.",
                    right=True,
                ),
                Choice(
                    "The learning rate.",
                    "Nothing is trained here.",
                ),
                Choice(
                    "All rows must stop at the same time.",
                    "A row that is done repeats its last token while the others go on.",
                ),
            ),
        ),
        Question(
            "You double the length of the text and halve the batch. What happens to the memory of the cache?",
            (
                Choice("It doubles.", "It would at the same batch."),
                Choice(
                    "It stays.",
                    "It holds two vectors a token, layer and row: batch times length counts.",
                    right=True,
                ),
                Choice(
                    "It grows fourfold, since attention is quadratic in length.",
                    "The work is; what is stored grows with the length.",
                ),
            ),
        ),
    ),
)
