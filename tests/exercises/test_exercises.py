"""Every exercise of the book keeps the same promises; a new one is tested by being registered and having right answers."""

import ast
import re

import pytest
import torch
import torch.nn.functional as F
from right_answers import RIGHT

from fmlib.exercises import cells, check, registry

EXERCISES = registry.exercises()
MISCONCEPTIONS = [
    pytest.param(exercise, misconception, wrong, id=f"{exercise.name}-{i}-{j}")
    for exercise in EXERCISES
    for i, misconception in enumerate(exercise.misconceptions)
    for j, wrong in enumerate(misconception.wrong)
]
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)


def written(exercise):
    """The starter, as the notebook's cell defines it."""
    scope = {}
    exec(exercise.starter, scope)
    return scope[exercise.name]


def signature(exercise, body):
    """A function with the starter's parameters and another body."""
    scope = {"torch": torch, "F": F, "body": body}
    header = next(line for line in exercise.starter.splitlines() if line.startswith("def "))
    exec(f"{header}\n    return body(locals())", scope)
    return scope[exercise.name]


@each_exercise
def test_the_reference_passes(exercise):
    assert check(exercise.name, exercise.reference).passed


@each_exercise
def test_the_reference_is_the_librarys_own_function(exercise):
    assert exercise.reference.__module__.startswith("fmlib.")
    assert exercise.reference.__name__ == exercise.name


@pytest.mark.parametrize(
    ("name", "right"), [pytest.param(n, f, id=f.__name__) for n, right in RIGHT.items() for f in right]
)
def test_a_right_answer_written_another_way_passes(name, right):
    assert check(name, right).passed, check(name, right)


@each_exercise
def test_there_are_two_right_answers_and_three_misconceptions(exercise):
    assert len(RIGHT.get(exercise.name, ())) >= 2
    assert len(exercise.misconceptions) >= 3


@pytest.mark.parametrize(("exercise", "misconception", "wrong"), MISCONCEPTIONS)
def test_a_misconception_fails_with_its_own_sentence(exercise, misconception, wrong):
    result = check(exercise.name, wrong)
    assert result.status == "not there yet"
    assert result.misconception is misconception, result
    assert misconception.sentence in result.lines


@each_exercise
def test_no_two_misconceptions_share_a_sentence(exercise):
    sentences = [misconception.sentence for misconception in exercise.misconceptions]
    assert len(set(sentences)) == len(sentences)


@each_exercise
def test_the_untouched_starter_is_not_attempted(exercise, tmp_path):
    file = tmp_path / "cell.py"
    file.write_text(exercise.starter)
    scope = {}
    exec(compile(exercise.starter, str(file), "exec"), scope)
    assert check(exercise.name, scope[exercise.name]).status == "not attempted"


@each_exercise
def test_a_starter_to_write_raises_and_one_to_mend_shows_its_symptom(exercise):
    result = check(exercise.name, written(exercise))
    if exercise.kind == "write":
        assert result.status == "not attempted"
    else:
        assert result.misconception is exercise.misconceptions[0]


NOISE = {
    "nothing": lambda right: None,
    "other numbers": lambda right: torch.randn(right.shape) if isinstance(right, torch.Tensor) else -7.5,
    "another shape": lambda right: right[None] if isinstance(right, torch.Tensor) else torch.zeros(3, 3),
    "another dtype": lambda right: right.half() if isinstance(right, torch.Tensor) else "text",
    "a dictionary": lambda right: {"result": right},
    "a sparse tensor": lambda right: torch.zeros(2, 2).to_sparse(),
}


MOVED = {"momentum_update": "key_encoder", "follow": "model"}  # exercise -> the network that it changes


@each_exercise
@pytest.mark.parametrize("noise", NOISE)
def test_noise_fails(exercise, noise):
    make = NOISE[noise]

    def body(arguments):
        right = exercise.reference(*arguments.values())
        if isinstance(right, tuple):
            return tuple(make(part) for part in right)
        return make(right)

    if exercise.name in MOVED:  # these return nothing
        attempt = signature(
            exercise, lambda a: [p.data.normal_() for p in a[MOVED[exercise.name]].parameters()]
        )
    else:
        attempt = signature(exercise, body)
    assert check(exercise.name, attempt).status == "not there yet"


@each_exercise
def test_a_raising_attempt_says_what_was_raised(exercise):
    def attempt(*arguments):
        raise KeyError("a slip of mine")

    result = check(exercise.name, attempt)
    assert result.status == "not there yet"
    said = " ".join(repr(result).split())
    assert re.search(r"raised KeyError: 'a slip of mine' \(line \d+: `raise KeyError", said)


@each_exercise
def test_a_check_gives_the_same_answer_again_and_leaves_random_numbers_alone(exercise):
    attempt = signature(exercise, lambda arguments: torch.rand(2))
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    first = repr(check(exercise.name, attempt))
    assert repr(check(exercise.name, attempt)) == first
    assert torch.equal(torch.rand(4), expected)


@each_exercise
def test_a_case_gives_equal_inputs_that_share_nothing(exercise):
    for case in exercise.cases:
        first, second = case.inputs(), case.inputs()
        assert list(first) == list(second)
        for name, value in first.items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(value, second[name])
                assert value.data_ptr() != second[name].data_ptr()


@each_exercise
def test_the_cells_are_what_an_author_pastes(exercise):
    parts = cells(exercise.name)
    assert parts["check"].splitlines()[-1] == f'check("{exercise.name}", {exercise.name})'
    assert parts["starter"] == exercise.starter.strip()
    assert exercise.goal.strip() in parts["markdown"]
    assert f"difficulty {exercise.difficulty} of 3" in parts["markdown"]
    assert [node.name for node in ast.parse(parts["starter"]).body if hasattr(node, "name")] == [
        exercise.name
    ]


def test_names_are_unique_in_the_book():
    names = [item.name for item in (*EXERCISES, *registry.predictions(), *registry.quizzes())]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("chapter", registry.CHAPTERS)
def test_an_exercise_is_listed_in_its_own_chapter(chapter):
    module = registry.chapter(chapter)
    items = (*module.EXERCISES, *module.PREDICTIONS, *module.QUIZZES)
    assert [item.name for item in items if item.chapter != chapter] == []


def nt_xent_keeping_itself(z1, z2, temperature=0.5):
    a = torch.cat((z1, z2)) / torch.cat((z1, z2)).norm(dim=1, keepdim=True)
    weights = (a @ a.T / temperature).exp()
    n = len(z1)
    positive = torch.cat([weights.diagonal(n), weights.diagonal(-n)])
    return -(positive / weights.sum(1)).log().mean()


def nt_xent_of_raw_rows(z1, z2, temperature=0.5):
    similarity = torch.cat((z1, z2)).matmul(torch.cat((z1, z2)).T).div(temperature)
    similarity.fill_diagonal_(-1e9)
    return F.cross_entropy(similarity, torch.arange(2 * len(z1)).roll(len(z1)))


def info_nce_with_live_keys(query, keys, queue, temperature=0.2):
    query, keys, queue = (rows / rows.norm(dim=1, keepdim=True) for rows in (query, keys, queue.detach()))
    logits = torch.cat([(query * keys).sum(1, keepdim=True), query @ queue.T], 1)
    return F.cross_entropy(logits / temperature, torch.zeros(len(query)).long())


def enqueue_that_drops_the_rest(queue, keys, start):
    fits = min(len(keys), len(queue) - start)
    rows = torch.arange(len(queue))[:, None]
    keys = torch.cat([keys.detach(), keys.detach()[:1].expand(len(queue) - len(keys), -1)])
    inside = (rows >= start) & (rows < start + fits)
    return torch.where(inside, keys.roll(start, 0), queue), (start + fits) % len(queue)


def momentum_into_new_parameters(key_encoder, query_encoder, momentum=0.99):
    pairs = zip(key_encoder.modules(), query_encoder.modules(), strict=True)
    for key, query in pairs:
        for name, value in list(key._parameters.items()):
            new = momentum * value + (1 - momentum) * query._parameters[name]
            key._parameters[name] = torch.nn.Parameter(new)
    for key, query in zip(key_encoder.buffers(), query_encoder.buffers(), strict=True):
        key.copy_(query)


def knn_by_plain_majority(train_features, train_labels, features, k=20, temperature=0.07):
    similarity = F.cosine_similarity(features[:, None], train_features[None], dim=2)
    return train_labels[similarity.topk(k).indices].mode(dim=1).values


def step_that_repeats_after_augmenting(model, pictures, augment, generator):
    view1, view2 = augment(pictures, generator).repeat(2, 1, 1, 1).chunk(2)
    return model.loss(view1, view2)


@pytest.mark.parametrize(
    ("name", "attempt", "words"),
    [
        ("nt_xent", nt_xent_keeping_itself, "Self-similarity is left in"),
        ("nt_xent", nt_xent_of_raw_rows, "not normalized"),
        ("info_nce", info_nce_with_live_keys, "keys get a gradient"),
        ("enqueue", enqueue_that_drops_the_rest, "does not wrap round"),
        ("momentum_update", momentum_into_new_parameters, "in place"),
        ("knn_predict", knn_by_plain_majority, "same vote"),
        ("contrastive_step", step_that_repeats_after_augmenting, "are the same"),
    ],
)
def test_a_mistake_is_recognized_in_another_spelling(name, attempt, words):
    result = check(name, attempt)
    assert result.misconception is not None, result
    assert words in result.misconception.sentence
