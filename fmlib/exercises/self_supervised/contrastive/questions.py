"""What is asked beside the code: numbers to predict and the quiz on contrastive learning."""

from fmlib.exercises.exercise import Prediction
from fmlib.exercises.quizzes import Choice, Question, Quiz

FIRST_LOSS = Prediction(
    name="first_loss",
    chapter="self_supervised",
    question="Which NT-Xent loss, in nats, do you expect of a batch of 256 pictures before "
    "anything is learned?",
    explanation="Each of the 512 embeddings must pick its partner among 511 others, and nothing tells "
    "them apart yet: guessing costs log(511) = 6.24 nats. A run that starts far from "
    "log(2 · batch - 1) has a bug, or embeddings that already differ.",
)

CONTRASTIVE = Quiz(
    name="contrastive",
    chapter="self_supervised",
    title="Quiz: contrastive learning",
    questions=(
        Question(
            "What keeps all embeddings from becoming the same vector?",
            (
                Choice("Normalizing them to length 1.", "All of them could still be the same unit vector."),
                Choice(
                    "The negatives: other pictures must be less similar than the partner.",
                    "If all are equal, the partner is one among 2 · batch - 1 and the loss stays at the "
                    "logarithm of that.",
                    right=True,
                ),
                Choice(
                    "The projection head.",
                    "A head can map everything to one point as easily as the encoder can.",
                ),
                Choice(
                    "A low temperature.",
                    "With equal similarities the softmax is uniform at every temperature.",
                ),
            ),
        ),
        Question(
            "Why is the diagonal of the similarities set to minus infinity?",
            (
                Choice(
                    "An embedding has similarity 1 with itself, so it would always be the best answer.",
                    "Nothing can beat it, so the loss would have a floor that no learning lowers.",
                    right=True,
                ),
                Choice("To save memory.", "The diagonal is stored as before; only its values change."),
                Choice(
                    "To make the matrix symmetric.",
                    "It is symmetric with or without: the similarity of a and b is that of b and a.",
                ),
            ),
        ),
        Question(
            "You lower the temperature from 0.5 to 0.05. What changes?",
            (
                Choice(
                    "All negatives count more evenly.",
                    "The other way round: a high temperature flattens the softmax.",
                ),
                Choice(
                    "Nothing: the order of the similarities stays.",
                    "The order stays, but the loss and its gradient depend on their differences divided "
                    "by the temperature.",
                ),
                Choice(
                    "The nearest negatives get nearly all of the gradient.",
                    "Differences are divided by 0.05, so the softmax puts its weight on the most similar "
                    "ones.",
                    right=True,
                ),
                Choice(
                    "Embeddings become longer.",
                    "They are normalized: their length does not enter the loss.",
                ),
            ),
        ),
        Question(
            "Why does MoCo need a slow key encoder for its queue?",
            (
                Choice(
                    "So that keys of different steps stay comparable.",
                    "A queue holds keys of many steps; if their encoder changed fast, old ones would mean "
                    "something else.",
                    right=True,
                ),
                Choice(
                    "Because the queue is too large for the GPU.",
                    "A queue of vectors is small beside the activations.",
                ),
                Choice(
                    "So that the keys get a smaller gradient.",
                    "They get none at all; the key encoder moves by the momentum update only.",
                ),
            ),
        ),
        Question(
            "You want features that tell red shoes from blue ones. Which augmentation do you leave out?",
            (
                Choice("Random crops.", "Crops leave the color; they teach that parts belong to the whole."),
                Choice("Mirroring.", "A mirrored red shoe is as red."),
                Choice(
                    "Color jitter.",
                    "Whatever the augmentations change, the features learn to ignore: with jitter, color "
                    "goes first.",
                    right=True,
                ),
                Choice("Blur.", "Blur takes away fine texture, hardly the color."),
            ),
        ),
        Question(
            "Which features do you keep for the linear probe?",
            (
                Choice(
                    "Those after the projection head, where the loss was taken.",
                    "They have thrown away what the augmentations change, even where your task needs it.",
                ),
                Choice(
                    "Those before the projection head.",
                    "The head takes the loss of information upon itself; the encoder's own output keeps more.",
                    right=True,
                ),
                Choice(
                    "The mean of both.",
                    "They have different sizes and meanings, and the part after the head would only add "
                    "what was filtered.",
                ),
            ),
        ),
        Question(
            "Partners share 8 nats. What is the most that InfoNCE with 64 candidates can say about it?",
            (
                Choice("8 nats.", "Its bound is log K - L, and the loss L is never below 0."),
                Choice(
                    "log 64, about 4.2 nats.",
                    "A perfect network has a loss near 0, and log K is all that is left.",
                    right=True,
                ),
                Choice("64 nats.", "The number of candidates enters through its logarithm."),
            ),
        ),
        Question(
            "You train on alignment alone: views of a picture should coincide. What is the best answer to that?",
            (
                Choice(
                    "Features that know what the pictures show.",
                    "They would do, but there is an easier answer, and nothing speaks against it.",
                ),
                Choice(
                    "Embeddings that spread evenly over the sphere.",
                    "That is uniformity, which nobody asks for here.",
                ),
                Choice(
                    "The same embedding for every picture.",
                    "Partners then coincide perfectly. This is collapse, and uniformity is what forbids it.",
                    right=True,
                ),
            ),
        ),
    ),
)
