"""What is asked beside the code: a number to predict and the quiz on adaptation."""

from fmlib.exercises.exercise import Prediction
from fmlib.exercises.quizzes import Choice, Question, Quiz

LABELS_WORTH = Prediction(
    name="labels_worth",
    chapter="self_supervised",
    question="A linear probe on the frozen encoder stands in the table above. Now all weights may learn, from 100 labels, "
    "and the best of four rates is taken. How many per cent of the validation pictures does the fine-tuned "
    "network get right?",
    explanation="Compare it with the probe in the table above. Both have all that pretraining has learned. The probe fits "
    "a layer of its own to the end and moves nothing else; fine-tuning has a few dozen steps for the head and for "
    "every weight below it, and 100 labels to hold them all in place.",
    close=0.05,
)

ADAPTATION = Quiz(
    name="ssl_adaptation",
    chapter="self_supervised",
    title="Quiz: adaptation",
    questions=(
        Question(
            "You froze an encoder with `requires_grad_(False)` and trained a head on it. Its features have changed. How?",
            (
                Choice(
                    "The optimizer's weight decay shrank its weights.",
                    "The optimizer skips parameters that have no gradient, decay included.",
                ),
                Choice(
                    "Batch norm moved its running mean and variance.",
                    "They are buffers, not parameters: no gradient moves them, training mode does.",
                    right=True,
                ),
                Choice(
                    "The head's gradient flowed through to it.",
                    "It stops at weights that take none.",
                ),
            ),
        ),
        Question(
            "What may choose the regularization of a probe?",
            (
                Choice(
                    "The test set, if only one number is chosen.",
                    "One number is enough to fit the luck of that set, and the smaller the set, the more.",
                ),
                Choice(
                    "Accuracy on the labeled pictures themselves.",
                    "It mostly favors the weakest regularization, which fits these pictures, luck included.",
                ),
                Choice(
                    "Cross-validation among the labeled pictures, or a validation set.",
                    "Both are pictures that the result is not reported on.",
                    right=True,
                ),
            ),
        ),
        Question(
            "Why must an episode's queries not contain pictures of its support?",
            (
                Choice(
                    "A picture that was shown with its label lies nearest to itself.",
                    "With one shot the mean of the class is that very picture, at distance 0.",
                    right=True,
                ),
                Choice(
                    "The classes would not be equally frequent any more.",
                    "They could be, and the answer would still be given away.",
                ),
                Choice(
                    "The features would have to be computed twice.",
                    "They are computed once for all pictures anyway.",
                ),
            ),
        ),
        Question(
            "Two methods differ by one point with 100 labels, each measured on three draws of its own. What is "
            "better than more draws?",
            (
                Choice(
                    "The best draw of each.",
                    "A maximum grows with the number of tries, whatever the method.",
                ),
                Choice(
                    "A larger test set.",
                    "It makes each measurement sharper, and the draws of the labels scatter as before.",
                ),
                Choice(
                    "The same draws for both, and the interval of their differences.",
                    "What makes a draw lucky for one mostly makes it lucky for the other, and cancels.",
                    right=True,
                ),
            ),
        ),
        Question(
            "What does LP-FT begin with?",
            (
                Choice(
                    "An encoder that was fine-tuned, on which a probe is put.",
                    "It is the other way round: the probe comes first.",
                ),
                Choice(
                    "A head that is already a linear probe of the frozen features.",
                    "Then the first gradients that reach the encoder are not those of a head that knows nothing.",
                    right=True,
                ),
                Choice(
                    "Low learning rates in the first stages.",
                    "Those are layer-wise rates, another way to keep what is there.",
                ),
            ),
        ),
        Question(
            "A number rises with the probe's accuracy at all checkpoints of one run. May you choose between two runs "
            "by it?",
            (
                Choice(
                    "Yes: a rank correlation of 1 is as high as it gets.",
                    "It is reached by anything that only rises, the clock included.",
                ),
                Choice(
                    "Yes, if it was measured on validation pictures.",
                    "That keeps it from flattering one run, and says nothing about two.",
                ),
                Choice(
                    "Not on that evidence: the number of steps rises, too.",
                    "Within a run, all that grows with time goes together. Compare encoders of the same step.",
                    right=True,
                ),
            ),
        ),
    ),
)
