"""What is asked beside the code: numbers to predict and the quiz on pretext tasks."""

from fmlib.exercises.exercise import Prediction
from fmlib.exercises.quizzes import Choice, Question, Quiz

ROTATION_BY_PIXELS = Prediction(
    name="rotation_by_pixels",
    chapter="self_supervised",
    question="By how many quarters was a picture turned? A linear classifier on raw pixels, trained on 1,000 turned "
    "pictures, is asked. Guessing gets 25 %. How many per cent of the validation pictures does it get right?",
    explanation="Clothes fill known parts of the frame: shoes are dark above and bright below, trousers are tall. Much of "
    "the task needs no idea of the thing. What is left for a network to learn is the rest.",
)

FIRST_CPC_LOSS = Prediction(
    name="first_cpc_loss",
    chapter="self_supervised",
    question="A batch has 48 recordings, and the false answers are the other recordings at the same moment. Which loss, in "
    "nats, do you expect of CPC before anything is learned?",
    explanation="Each prediction must pick its own among 48 frames. Guessing costs log(48) = 3.87 nats. An untrained "
    "network whose scores are not all alike is now and then sure and wrong, which costs somewhat more.",
    close=0.05,
)

PRETEXT = Quiz(
    name="pretext",
    chapter="self_supervised",
    title="Quiz: pretext tasks",
    questions=(
        Question(
            "A network tells 99 % of rotations right. What do you know of its features?",
            (
                Choice(
                    "They are good: the task cannot be solved without knowing the things.",
                    "It can, where there is a shortcut: with a mark in a corner the task is solved, and "
                    "nothing is learned "
                    "about things.",
                ),
                Choice(
                    "Little, before a probe on the task that you care about has been measured.",
                    "Accuracy on the pretext task and use of the features are two things; the lesson's "
                    "runs with a mark "
                    "have one without the other.",
                    right=True,
                ),
                Choice(
                    "They are bad: the task was too easy.",
                    "An easy task may still teach something; only a measurement tells.",
                ),
            ),
        ),
        Question(
            "Why is the linear probe linear?",
            (
                Choice(
                    "So that it can make little of features that do not show the classes already.",
                    "A deep classifier on top would learn by itself, and you would judge it and not the "
                    "features.",
                    right=True,
                ),
                Choice(
                    "Because deep probes overfit on ImageNet.",
                    "Not the reason: with many labels they would not.",
                ),
                Choice(
                    "So that the encoder's gradient is linear.",
                    "The encoder gets no gradient at all: it is frozen.",
                ),
            ),
        ),
        Question(
            "Two puzzles differ only in their orders. In the first, some orders differ from each other in "
            "two places; in the "
            "second all differ in at least four. What is the trouble with the first?",
            (
                Choice(
                    "Such orders are nearly one question: two tiles that look alike decide between them.",
                    "Then the loss asks for what the picture does not tell, and the gradient is noise.",
                    right=True,
                ),
                Choice("It has too few orders.", "Their number is the same; how far apart they are is not."),
                Choice(
                    "The head cannot tell them apart.",
                    "Its logits are free: any two orders can be told apart.",
                ),
            ),
        ),
        Question(
            "You ask for colors by the mean squared error. What does the network paint where a thing may "
            "be red or green?",
            (
                Choice("Red or green, by chance.", "A network without noise has one answer for each input."),
                Choice(
                    "Something in between, a dull brown or gray.",
                    "The mean of the possible colors has the smallest squared error, though no such thing "
                    "exists.",
                    right=True,
                ),
                Choice("The more common of the two.", "That is the mode, the answer to another loss."),
            ),
        ),
        Question(
            "CPC's loss is 1.2 nats with 48 candidates. What does that bound, in nats?",
            (
                Choice(
                    "The mutual information of context and future frame is at least log 48 - 1.2 = 2.67.",
                    "A lower bound, by the paper's appendix; it can never tell more than log 48.",
                    right=True,
                ),
                Choice(
                    "The mutual information is at most 1.2.",
                    "The bound is from below, and the loss is subtracted.",
                ),
                Choice("Nothing: the loss depends on the batch.", "It does, and log 48 accounts for that."),
            ),
        ),
        Question(
            "The false answers of CPC come from other recordings. Which cheap cue tells the true one?",
            (
                Choice(
                    "The length of the recording.",
                    "All recordings have the same length.",
                ),
                Choice(
                    "The voice: the true frame is spoken by the same one as the past.",
                    "A task that the voice solves teaches to know voices. Take the false answers from the "
                    "same recording, "
                    "and the voice helps no more.",
                    right=True,
                ),
                Choice(
                    "The word: it is the same in both.",
                    "It is, but the word must be known first. That is no cheap cue.",
                ),
            ),
        ),
    ),
)
