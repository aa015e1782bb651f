"""What is asked beside the code: a number to predict and the quiz on the family."""

from fmlib.exercises.exercise import Prediction
from fmlib.exercises.quizzes import Choice, Question, Quiz

LLAMA_CACHE = Prediction(
    name="llama_cache",
    chapter="llm",
    question="LLaMA 7B has 32 layers of 32 heads with 128 features each. How many gigabytes does its cache take for "
    "one text of 2,048 tokens, in half precision?",
    explanation="Keys and values, 2 · 32 layers · 4,096 features · 2,048 positions · 2 bytes: 1.07 GB, for each text "
    "that is written at the same time. A dozen of them take as much as the weights. With 8 key heads instead of 32 "
    "it is a quarter: that is why larger models share keys.",
)

FAMILY = Quiz(
    name="family",
    chapter="llm",
    title="Quiz: the family",
    questions=(
        Question(
            "Why does nobody let a BERT write a story?",
            (
                Choice("It is too small.", "Size is not the matter: a GPT-2 of that size writes."),
                Choice(
                    "It has learned to fill in blanks with both sides in view; the end of a story has only one.",
                    "Without a causal mask no position has ever been trained to go on from what came before alone.",
                    right=True,
                ),
                Choice("It has no output matrix.", "It has: its head compares with every token's embedding."),
                Choice(
                    "It knows only 512 positions.",
                    "Neither did the first GPT know more; a short story fits.",
                ),
            ),
        ),
        Question(
            "Of 1,000 tokens, how many does one step of training teach a GPT, and a BERT, to predict?",
            (
                Choice("1,000 and 1,000.", "BERT is asked for the chosen tokens only."),
                Choice(
                    "About 1,000 and about 150.",
                    "Each position of a GPT has a target. That is the price BERT pays for looking both ways.",
                    right=True,
                ),
                Choice("About 1,000 and about 850.", "15 % are chosen, and only they are asked for."),
                Choice(
                    "1 and 150.", "A causal mask lets all positions be judged at once, not only the last."
                ),
            ),
        ),
        Question(
            "You add 1,000 to all positions of a LLaMA. What happens to its attention maps?",
            (
                Choice(
                    "They stay the same.",
                    "Query and key are turned by the same additional angle: only their difference counts.",
                    right=True,
                ),
                Choice(
                    "All shift by 1,000 keys.",
                    "Which key is which does not change, nor how far away it is.",
                ),
                Choice(
                    "They become nonsense: such positions were never trained.",
                    "That would be so with a learned table, as in GPT-2 or BERT.",
                ),
            ),
        ),
        Question(
            "A LLaMA has 32 query heads, and you go from 32 key heads to 8. What gets four times smaller?",
            (
                Choice("The whole attention's weights.", "Query and output matrices keep their size."),
                Choice(
                    "The cache, and the matrices of keys and values.",
                    "What is stored for each position is what counts in generation: every step reads all of it.",
                    right=True,
                ),
                Choice(
                    "The operations for the attention maps.",
                    "There are still 32 maps: each query head looks by itself.",
                ),
                Choice("Nothing: keys are repeated.", "Only for the moment in which they are used."),
            ),
        ),
        Question(
            "Why has the MLP of a LLaMA 8/3 times as many hidden features as the stream, and not 4 times?",
            (
                Choice(
                    "It has three matrices instead of two: so it has as many weights.",
                    "3 · 8/3 = 2 · 4: the comparison is fair, and the gate pays for itself.",
                    right=True,
                ),
                Choice("SiLU needs fewer features than GELU.", "Their curves are nearly the same."),
                Choice("So that grouped heads divide it.", "Heads belong to attention; the MLP has none."),
            ),
        ),
        Question(
            "What does RMSNorm leave out, compared with layer norm?",
            (
                Choice("The learned scale.", "That stays: one weight for each feature."),
                Choice(
                    "The mean, which is not subtracted, and the bias.",
                    "Of what layer norm does, dividing by the size seems to be what matters.",
                    right=True,
                ),
                Choice("The division.", "That is what it is: a division by the root mean square."),
            ),
        ),
        Question(
            "T5 reads 512 tokens of which 15 % are missing, in spans of 3. What does its decoder write?",
            (
                Choice("The whole text of 512 tokens.", "Then most of the work would be copying."),
                Choice(
                    "About 100 tokens: what is missing, and a sentinel for each span.",
                    "77 tokens in 26 spans, and a last sentinel: short targets make training cheap.",
                    right=True,
                ),
                Choice(
                    "77 tokens, one in each blank's place.",
                    "Spans need sentinels: their lengths are not known.",
                ),
            ),
        ),
    ),
)
