"""What is asked beside the code: numbers to predict and the quiz on comparing methods."""

from fmlib.exercises.exercise import Prediction
from fmlib.exercises.quizzes import Choice, Question, Quiz

LEAD_OVER_PIXELS = Prediction(
    name="lead_over_pixels",
    chapter="self_supervised",
    question="With 100 labels, how many percentage points lie between the best method of the chapter and raw pixels, by the "
    "means of all seeds?",
    explanation="The best of ten methods is picked after the fact, so this difference flatters it a little: some of it is "
    "the luck of the seeds. How much luck can do, you measure later in this lesson.",
    close=0.2,
)

SEEDS_FOR_ONE_IN_TWENTY = Prediction(
    name="seeds_for_one_in_twenty",
    chapter="self_supervised",
    question="One method is ahead of another with every seed. How many seeds must you have run before random signs do as "
    "much, on either side, in at most 5 % of all cases?",
    explanation="Of 2^n choices of signs two are as extreme: all above 0 and all below. 2 / 2^5 is 6.25 %, 2 / 2^6 is "
    "3.1 %. With three seeds it is 25 %, however large the difference: that is why three seeds are a beginning. An "
    "interval by Student's t can say more with three, since it assumes more: that differences are distributed normally.",
    close=0.01,
)

BEST_OF_TEN = Prediction(
    name="best_of_ten",
    chapter="self_supervised",
    question="Ten settings are equally good, and each score has noise with a standard deviation of 1 percentage point. By "
    "how many points does the best of the ten scores lie above what all of them are worth?",
    explanation="About one and a half standard deviations for ten tries, 0.85 for three, 2.5 for a hundred: whoever tries "
    "more reports more, with nothing gained.",
    close=0.1,
)

SIDE_BY_SIDE = Quiz(
    name="side_by_side",
    chapter="self_supervised",
    title="Quiz: comparing methods",
    questions=(
        Question(
            "Rotation shows each picture in four positions, SimCLR in two views. What makes their budgets equal here?",
            (
                Choice(
                    "Both draw the same number of different pictures at each step.",
                    "They do not: rotation draws half as many as SimCLR, and shows each twice as often.",
                ),
                Choice(
                    "As many pictures, views counted, go through the network that learns.",
                    "That is the budget of this lesson. It is one choice among several, and it is written down.",
                    right=True,
                ),
                Choice(
                    "Both train for the same time.",
                    "Time depends on the machine. What it takes is measured beside the budget.",
                ),
            ),
        ),
        Question(
            "One method is ahead of another by 2 points, with each of three seeds. What may you say?",
            (
                Choice(
                    "Random signs would do as much in a quarter of all cases, so this alone does not settle it.",
                    "2 of the 8 choices of signs are as extreme. More seeds are needed, or an assumption about the "
                    "noise.",
                    right=True,
                ),
                Choice(
                    "It is better, since it won three times out of three.",
                    "So do two equal methods, in one case out of four.",
                ),
                Choice(
                    "Nothing at all.",
                    "Something: if they were equal, you would see this in a quarter of all cases only.",
                ),
            ),
        ),
        Question(
            "Why are the runs of one seed compared with each other, and not means with means?",
            (
                Choice(
                    "Since the mean of three runs is not defined well enough.",
                    "It is defined; its noise is the point.",
                ),
                Choice(
                    "They share the draw of the labels: what an easy or a hard draw does to both falls out of the "
                    "difference.",
                    "That is the point of pairing. It pays only where both scores go up and down together.",
                    right=True,
                ),
                Choice(
                    "Since it makes the difference larger.",
                    "The mean difference is the same; its interval changes.",
                ),
            ),
        ),
        Question(
            "A method is on the Pareto front of accuracy and memory. What does that mean?",
            (
                Choice("It is the best one.", "Only one of those on the front has the highest score."),
                Choice(
                    "No other method needs at most as much and scores at least as high, with one of the two strictly "
                    "better.",
                    "So whoever wants a better score from these methods must pay more.",
                    right=True,
                ),
                Choice(
                    "It has the most accuracy for each megabyte.",
                    "The ratio is another question: the cheapest method is always on the front, whatever its ratio.",
                ),
            ),
        ),
        Question(
            "You try 50 settings of your method, the rival comes with its published one, and both are scored on the "
            "test set. "
            "Yours is ahead. What is wrong?",
            (
                Choice(
                    "Your number is the best of 50 on the very pictures that it is reported on.",
                    "Luck chooses with you. Choose on validation pictures, and give the rival as many tries.",
                    right=True,
                ),
                Choice("50 settings are too few.", "More would flatter you more."),
                Choice(
                    "Nothing, if each setting was trained with three seeds.",
                    "That makes the noise smaller; the choice still profits from what is left of it.",
                ),
            ),
        ),
        Question(
            "Two measures have a rank correlation of 0.3 over ten methods. What follows for 'which method is best'?",
            (
                Choice("One of the measures is wrong.", "Each may be right about what it asks."),
                Choice(
                    "The question needs a measure in it: best for what?",
                    "Features that name clothes from few labels need not be those that find a drawing again.",
                    right=True,
                ),
                Choice(
                    "The average of both measures decides.",
                    "An average needs weights, and these are a choice of what you want the features for.",
                ),
            ),
        ),
    ),
)
