"""What is asked beside the code: numbers to predict and the quiz on masked prediction."""

from fmlib.exercises.exercise import Prediction
from fmlib.exercises.quizzes import Choice, Question, Quiz

ENCODER_WORK = Prediction(
    name="encoder_work",
    chapter="self_supervised",
    question="The encoder reads 49 patches and a class token. With 75 % of the patches hidden it reads 12"
    " and the class token. "
    "How many times fewer operations of matrix products does it need?",
    explanation="50 / 13: it reads 3.8 times fewer tokens, and everything that works on each token by itself shrinks by"
    " that. Only the "
    "attention maps shrink by its square, but with so few tokens they are a small part of the work. The "
    "patch "
    "embedding is the one thing that is computed for all patches here. With 196 patches, as in the paper,"
    " the maps weigh a bit more.",
)

TOKENS_AS_THEY_ARE = Prediction(
    name="tokens_as_they_are",
    chapter="self_supervised",
    question="Of 1,000 tokens of a play, how many does BERT read just as they stand in the text?",
    explanation="850 are not chosen. Of the 150 that are, 120 become [MASK], 15 another token, and 15 "
    "stay: 865 in all, and now "
    "and then one more, where the random token happens to be the right one. BERT does not know which 15 "
    "of the 865 it will "
    "be asked for.",
    close=0.02,
)

MASKED = Quiz(
    name="masked",
    chapter="self_supervised",
    title="Quiz: masked prediction",
    questions=(
        Question(
            "Why does MAE hide 75 % of a picture, where BERT hides 15 % of a text?",
            (
                Choice(
                    "Because pictures are larger.",
                    "The share is what matters, and it does not follow from the size.",
                ),
                Choice(
                    "Neighboring patches are much alike: hide few, and a hidden one can be painted by "
                    "continuing its neighbors.",
                    "This is the authors' reason: a word says much that its neighbors do not; a patch says little. To "
                    "make the task hard, more must go.",
                    right=True,
                ),
                Choice(
                    "Because the decoder is small.",
                    "A small decoder saves time; it does not ask for a higher mask ratio.",
                ),
            ),
        ),
        Question(
            "The encoder never sees mask tokens. What does that save or change?",
            (
                Choice(
                    "It works on a quarter of the patches, and meets in pretraining what it meets later: "
                    "patches of pictures only.",
                    "Both reasons are in section 3 and table 1 of the MAE paper.",
                    right=True,
                ),
                Choice(
                    "It does not need positions any more.",
                    "It does: which patches are there differs from picture to picture.",
                ),
                Choice(
                    "Nothing: the decoder has to read them anyway.",
                    "The decoder is light; the encoder is where the work is.",
                ),
            ),
        ),
        Question(
            "A probe on frozen MAE features does worse than one on raw pixels here. What follows?",
            (
                Choice(
                    "The pretraining has failed.",
                    "The same network with random weights is far behind, frozen or fine-tuned.",
                ),
                Choice(
                    "What was learned is there, but not laid out so that a linear layer can read it: tune"
                    " the encoder, too.",
                    "The same probe on random weights is far lower, so much was learned; and tuned, the encoder gets a "
                    "little further. With 100 labels it stays below pixels all the same.",
                    right=True,
                ),
                Choice(
                    "One must never use raw pixels as a baseline.",
                    "One must always: without them the probe's number would say little.",
                ),
            ),
        ),
        Question(
            "Why do 10 % of the chosen tokens stay as they are in BERT's input?",
            (
                Choice("To save time.", "It saves none: they are asked for as all others are."),
                Choice(
                    "So that the model must have an opinion of visible tokens, too: any of them may be "
                    "asked for.",
                    "With blanks only, it could ignore every position without one.",
                    right=True,
                ),
                Choice(
                    "Because the tokenizer has no mask token.",
                    "It has, and 80 % of the chosen tokens become it.",
                ),
            ),
        ),
        Question(
            "Why was next-sentence prediction given up?",
            (
                Choice(
                    "It cannot be learned.",
                    "It can: often the words alone tell that two pieces are from different texts.",
                ),
                Choice(
                    "Models trained without it, on whole stretches of text, were as good or better.",
                    "RoBERTa's comparison (Liu et al. 2019, section 4.2) came to that.",
                    right=True,
                ),
                Choice(
                    "It needs labels made by people.",
                    "The labels come with the text: what stands behind what.",
                ),
            ),
        ),
        Question(
            "BERT's loss on hidden tokens is lower than a trigram model's. What is not fair in that "
            "comparison?",
            (
                Choice("BERT has seen the test plays.", "It has not; nor has the trigram model."),
                Choice(
                    "BERT looks at both sides, the trigram model at two tokens on the left.",
                    "So put a guess beside it that looks at both neighbors. The counting models also see true "
                    "neighbors where BERT's may be hidden, and BERT sees the chosen tokens that stay.",
                    right=True,
                ),
                Choice("Nats cannot be compared.", "They can, for the same tokens of the same vocabulary."),
            ),
        ),
    ),
)
