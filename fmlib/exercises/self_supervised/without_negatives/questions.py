"""What is asked beside the code: a number to predict and the quiz on learning without negatives."""

from fmlib.exercises.exercise import Prediction
from fmlib.exercises.quizzes import Choice, Question, Quiz

EVEN_SPREAD = Prediction(
    name="even_spread",
    chapter="self_supervised",
    question="Ten thousand vectors with 64 features point in random directions; each is scaled to length 1. What is the "
    "standard deviation of one feature over them?",
    explanation="The 64 squares of a unit vector add up to 1. If no feature is preferred, each square is 1/64 on "
    "average, and "
    "with mean 0 the standard deviation is its root, 1/8 = 0.125. In general it is 1/sqrt(d): the line that "
    "healthy embeddings "
    "come near, and that collapsed ones leave for 0.",
    close=0.1,
)

WITHOUT_NEGATIVES = Quiz(
    name="without_negatives",
    chapter="self_supervised",
    title="Quiz: learning without negatives",
    questions=(
        Question(
            "Why is a low loss alone not good news in BYOL?",
            (
                Choice(
                    "Its lowest value is reached when all pictures have the same embedding.",
                    "Equal embeddings are predicted perfectly. The loss alone cannot tell that from success.",
                    right=True,
                ),
                Choice(
                    "It is measured on the training pictures.",
                    "It would be as low on others: where all embeddings are equal, all pictures fit.",
                ),
                Choice(
                    "The momentum makes it lag behind.",
                    "The target lags, and the loss is the distance from it; but that is no reason to mistrust a low one.",
                ),
            ),
        ),
        Question(
            "What does BYOL's online network have that its target lacks?",
            (
                Choice("A projector.", "Both have one; the target's follows the online one."),
                Choice(
                    "A predictor.",
                    "Only the online side predicts. That is what makes the two sides unequal.",
                    right=True,
                ),
                Choice("Batch normalization.", "Both are built alike, up to the predictor."),
            ),
        ),
        Question(
            "The spread of unit embeddings is at 1/sqrt(d). Can the run still be collapsed?",
            (
                Choice(
                    "Yes: they may all lie on a few directions.",
                    "Half of them at one point and half opposite can give the full spread. Count the directions, too.",
                    right=True,
                ),
                Choice(
                    "No: with that spread they point everywhere.",
                    "Two opposite points can be enough for it.",
                ),
                Choice(
                    "Yes: the embeddings may have become very short.",
                    "They are scaled to length 1 before they are measured.",
                ),
            ),
        ),
        Question(
            "What takes the place of negatives in Barlow Twins?",
            (
                Choice(
                    "The other features: no two may say the same.",
                    "The matrix of features, not that of pictures, is drawn to the identity.",
                    right=True,
                ),
                Choice("A queue of old embeddings.", "That is MoCo, and these are negatives."),
                Choice("A stop-gradient.", "There is none: both views learn."),
            ),
        ),
        Question(
            "You leave out DINO's centering and keep its sharpening. What does the teacher end up saying?",
            (
                Choice(
                    "The same prototype for every picture.",
                    "Sharpening makes it surer at each step, and nothing takes a favorite back: the entropy falls to 0.",
                    right=True,
                ),
                Choice(
                    "All prototypes alike for every picture.",
                    "That is where centering alone leads, without sharpening.",
                ),
                Choice(
                    "The right class of every picture.",
                    "Nobody tells it classes; the loss is lowest where it says nothing about the picture.",
                ),
            ),
        ),
        Question(
            "Why does DINO's teacher see only the large views?",
            (
                Choice(
                    "So that the student must tell from a part what the teacher tells from the whole.",
                    "From local to global, the paper calls it. It also saves work, since small crops are cheap "
                    "for the student.",
                    right=True,
                ),
                Choice(
                    "Because a vision transformer has one size of pictures only.",
                    "Its positions are interpolated for other sizes; the student reads small crops with the same weights.",
                ),
                Choice(
                    "So that the teacher gets a gradient from fewer views.",
                    "The teacher gets none from any view.",
                ),
            ),
        ),
    ),
)
