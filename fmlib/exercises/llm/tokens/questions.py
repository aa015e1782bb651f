"""What is asked beside the code: a number to predict and the quiz on tokens."""

from fmlib.exercises.exercise import Prediction
from fmlib.exercises.quizzes import Choice, Question, Quiz

CHARACTERS_PER_TOKEN = Prediction(
    name="characters_per_token",
    chapter="llm",
    question="A byte-pair vocabulary of 1,024 tokens is learned from 32 plays. How many characters does a token "
    "stand for on average, in plays that it has not seen?",
    explanation="A byte stands for one character of this text. The first merges make the endings and small words "
    "that English is full of, and pay at once; most of the vocabulary then goes into words that each help a little. "
    "So 768 merges bring you past two characters a token, and far from the four or five of a whole word.",
    close=0.15,
)

TOKENS = Quiz(
    name="tokens",
    chapter="llm",
    title="Quiz: tokens",
    questions=(
        Question(
            "Why does byte-pair encoding on bytes need no token for unknown words?",
            (
                Choice(
                    "Its training text holds all words of the language.",
                    "No text does; names and typing errors are new every day.",
                ),
                Choice(
                    "Every text is a sequence of bytes, and all 256 bytes are tokens.",
                    "Where no merge fits, the bytes themselves remain. It costs more tokens, but nothing is impossible.",
                    right=True,
                ),
                Choice(
                    "Unknown words are replaced by similar ones.",
                    "Then the text could not come back, and it comes back exactly.",
                ),
                Choice(
                    "The regular expression removes them.",
                    "It only cuts: its pieces together are the whole text.",
                ),
            ),
        ),
        Question(
            "Model A has a loss of 1.2 nats per token with characters, model B of 3.0 with byte pairs, where a token "
            "stands for 3 characters. Which compresses the text better?",
            (
                Choice(
                    "A, because its loss is lower.",
                    "Its tokens are smaller, too: B guesses three characters at once.",
                ),
                Choice(
                    "B: 1.0 nats per character against 1.2.",
                    "3.0 nats for a token of 3 characters are 1.0 for each; in bits, 1.44 against 1.73.",
                    right=True,
                ),
                Choice(
                    "They cannot be compared.",
                    "Per token they cannot. Per character of the same text they can.",
                ),
            ),
        ),
        Question(
            "A user types `<|endoftext|>` into your chat program. What should the tokenizer do?",
            (
                Choice(
                    "Make the special token: that is what the user wrote.",
                    "Then any user could end the document, or speak in the role of the system.",
                ),
                Choice(
                    "Refuse the text.", "It is harmless text, for example in a question about tokenizers."
                ),
                Choice(
                    "Cut it into ordinary tokens, like any other text.",
                    "The special token is made only by your own program, with `allowed_special=True`.",
                    right=True,
                ),
            ),
        ),
        Question(
            "You double the vocabulary of a small model. What gets worse?",
            (
                Choice(
                    "The text gets longer.",
                    "It gets shorter: the larger vocabulary keeps all merges of the smaller one and adds more.",
                ),
                Choice(
                    "The embedding gets larger, and its new tokens are rarer, so that each is trained less.",
                    "Shorter texts are paid for with parameters, and with tokens that hardly ever occur.",
                    right=True,
                ),
                Choice("Some texts can no longer be encoded.", "The bytes stay in every vocabulary."),
            ),
        ),
        Question(
            "Byte-pair encoding and WordPiece have the same vocabulary. Do they cut a word alike?",
            (
                Choice(
                    "Not always: one replays its merges, the other takes the longest piece that fits.",
                    "A long piece can be in the way of the merges that were learned first, and the other way round.",
                    right=True,
                ),
                Choice(
                    "Yes, the vocabulary decides.",
                    "It says which tokens there are, not which of them are chosen.",
                ),
                Choice(
                    "No, WordPiece always needs more tokens.",
                    "It is greedy, which often needs fewer.",
                ),
            ),
        ),
    ),
)
