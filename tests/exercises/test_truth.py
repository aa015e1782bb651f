"""What a check sees besides the value, and that it says nothing that is not so; for every exercise where that can be."""

import itertools
import re
import time

import pytest
import torch
import torch.nn.functional as F
from right_answers import RIGHT
from torch import Tensor, nn

from fmlib.exercises import check, checking, progress, registry
from fmlib.exercises.exercise import Case

EXERCISES = registry.exercises()
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)


def said(result):
    return " ".join(repr(result).split())


def wrapped(exercise, change):
    """The reference, and then `change` of (its result, its arguments by name)."""
    scope = {"change": change, "reference": exercise.reference, "torch": torch}
    names = [
        name.split("=")[0].strip() for name in exercise.signature.partition("(")[2].rstrip(")").split(",")
    ]
    pairs = ", ".join(f"{name!r}: {name}" for name in names)
    body = f"return change(reference({', '.join(names)}), {{{pairs}}})"
    exec(f"def {exercise.signature}:\n    {body}", scope)
    return scope[exercise.name]


# ---- what is unwritten


def losing_its_arguments(logits, tokens):
    return F.cross_entropy(tokens, logits)


def without_a_float(logits, tokens):
    return tokens.log_softmax(-1)


class WithoutForward(nn.Module):
    pass


@pytest.mark.parametrize("attempt", [without_a_float, WithoutForward()], ids=["from C", "from Python"])
def test_an_error_of_torch_is_shown_and_counts_though_its_kind_is_not_implemented(attempt):
    result = check("next_token_loss", attempt)
    assert result.status == "not there yet"
    assert "raised NotImplementedError:" in said(result)
    row = next(row for row in progress().rows if row[1] == "next_token_loss")
    assert row[3] == "1"


def test_swapped_arguments_of_a_loss_are_no_unwritten_answer():
    assert check("next_token_loss", losing_its_arguments).status == "not there yet"


# ---- what is named


def counts_overwritten(words, counts):
    pairs = {}
    for word, count in zip(words, counts, strict=True):
        for pair in itertools.pairwise(word):
            pairs[pair] = count
    return pairs


def counts_of_the_next_but_one(words, counts):
    pairs = {}
    for word, count in zip(words, counts, strict=True):
        for pair in zip(word, word[2:], strict=False):
            pairs[pair] = pairs.get(pair, 0) + count
    return pairs


def pieces_or_nothing(word, vocabulary, unknown="[UNK]"):
    pieces, start = [], 0
    while start < len(word):
        piece = ("##" if start else "") + word[start:]
        if piece not in vocabulary:
            return [unknown]
        pieces.append(piece)
        start = len(word)
    return pieces


def pieces_of_two_letters_or_more(word, vocabulary, unknown="[UNK]"):
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start + 1, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                break
        else:
            return [unknown]
        pieces.append(piece)
        start = end
    return pieces


def pieces_without_marks_too(word, vocabulary, unknown="[UNK]"):
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            part = word[start:end]
            found = [p for p in (("##" + part, part) if start else (part,)) if p in vocabulary]
            if found:
                break
        else:
            return [unknown]
        pieces.append(found[0])
        start = end
    return pieces


def count_without_the_output_bias(config):
    missing = config.layers * config.dim if config.bias else 0
    return RIGHT["count_parameters"][1](config) - missing


def discount_added(counts, shorter, discount):
    return (counts + discount) / (counts + discount).sum()


def nucleus_of_nan(logits, p):
    return logits * float("nan")


def no_score(maps, period):
    return torch.zeros(maps.shape[1])


def share_of_the_length(new, old, share):
    count = round(share * new.shape[1])
    return torch.cat([new[: len(new) - count], old[:count]])


def one_token_early(tokens, starts, length):
    before = (starts - 1).clamp(min=0)
    inputs = torch.stack([tokens[s : s + length] for s in before])
    return inputs, torch.stack([tokens[s + 1 : s + 1 + length] for s in before])


def never_swapped(tokens, chosen, draws, others, mask_token):
    read = tokens.masked_fill(chosen & (draws < 0.8), mask_token)
    return read, tokens.masked_fill(~chosen, -100)


def targets_first(tokens, chosen, draws, others, mask_token):
    return RIGHT["hide_tokens"][1](tokens, chosen, draws, others, mask_token)[::-1]


def half_the_mean(z1, z2, temperature=0.5):
    return RIGHT["nt_xent"][2](z1, z2, temperature) / 2


def alphabetical(ids, ranks):
    ids = list(ids)
    while True:
        pairs = [pair for pair in itertools.pairwise(ids) if pair in ranks]
        if not pairs:
            return ids
        place = list(itertools.pairwise(ids)).index(min(pairs))
        ids[place : place + 2] = [ranks[min(pairs)]]


def step_as_a_number(model, pictures, augment, generator):
    return model.loss(augment(pictures, generator), augment(pictures, generator)).item()


def step_as_a_tuple(model, pictures, augment, generator):
    return (model.loss(augment(pictures, generator), augment(pictures, generator)),)


@pytest.mark.parametrize(
    ("name", "attempt", "untrue"),
    [
        ("count_pairs", counts_overwritten, "overlap"),
        ("count_pairs", counts_of_the_next_but_one, "overlap"),
        ("wordpiece", pieces_or_nothing, "look up `'##'"),
        ("count_parameters", count_without_the_output_bias, "The MLP's biases are"),
        ("discounted_probabilities", discount_added, "0 / 0"),
        ("top_p_filter", nucleus_of_nan, "own probability"),
        ("induction_score", no_score, "swapped"),
        ("replay_batch", share_of_the_length, "cut off"),
        ("inputs_and_targets", one_token_early, "not shifted"),
        ("hide_tokens", never_swapped, "Too many"),
        ("hide_tokens", targets_first, "what the model reads. They are"),
        ("nt_xent", half_the_mean, "summed"),
        ("bpe_encode", alphabetical, "from the left"),
        ("contrastive_step", step_as_a_number, "temperature"),
        ("contrastive_step", step_as_a_tuple, "temperature"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_mistake_is_not_told_as_another(name, attempt, untrue):
    result = check(name, attempt)
    assert result.status == "not there yet"
    assert untrue not in said(result)


@pytest.mark.parametrize(
    ("name", "attempt", "words"),
    [
        ("count_pairs", counts_overwritten, "overwritten"),
        ("count_pairs", counts_of_the_next_but_one, "not neighbors"),
        ("count_parameters", count_without_the_output_bias, "biases of a block's matrices"),
        ("top_p_filter", nucleus_of_nan, "has nan in it"),
        ("hide_tokens", never_swapped, "No token is replaced"),
        ("hide_tokens", targets_first, "wrong order"),
        ("nt_xent", half_the_mean, "factor of two"),
        ("contrastive_step", step_as_a_number, "gradient reaches only part"),
        ("contrastive_step", step_as_a_tuple, "you return a tuple, not a scalar tensor"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_told_is_so(name, attempt, words):
    assert words in said(check(name, attempt))


# ---- wrong answers that an audit saw pass


def fill_by(value):
    def attention(query, key, value_, mask=None):
        logits = query @ key.mT / query.shape[-1] ** 0.5
        if mask is not None:
            logits = logits.masked_fill(~mask, value(logits))
        return logits.softmax(-1) @ value_

    return attention


def kept_by(value):
    def top_k_filter(logits, k):
        lowest = logits.topk(min(k, logits.shape[-1])).values[:, -1:]
        return logits.masked_fill(logits < lowest, value(logits))

    return top_k_filter


def nucleus_without_a_guard(logits, p):
    ordered, order = logits.sort(descending=True)
    share = ordered.softmax(-1)
    outside = share.cumsum(-1) - share >= p
    return logits.masked_fill(torch.zeros_like(outside).scatter(-1, order, outside), -torch.inf)


def by_rank_as_listed(ids, ranks):
    from fmlib.llm.tokens.bpe import merge_pair

    for pair, new_id in ranks.items():
        ids = merge_pair(list(ids), pair, new_id)
    return list(ids)


def by_neighbors_only(ids, ranks):
    ids, i = list(ids), 0
    while i < len(ids) - 1:
        pairs = [(ranks.get(tuple(ids[j : j + 2]), 10**9), j) for j in (i, i + 1)]
        new_id, place = min(pairs)
        if new_id < 10**9:
            ids[place : place + 2] = [new_id]
            i = 0
        else:
            i += 1
    return ids


def neighbors_with(classes=None, k=20):
    def knn_predict(train_features, train_labels, features, k=k, temperature=0.07):
        found, places = (F.normalize(features, dim=1) @ F.normalize(train_features, dim=1).T).topk(k)
        size = classes or len(train_labels.unique())
        votes = torch.zeros(len(features), size)
        return votes.scatter_add_(1, train_labels[places], (found / temperature).exp()).argmax(1)

    return knn_predict


def merged_as_text(ids, pair, new_id):
    text = " ".join(map(str, ids)).replace(" ".join(map(str, pair)), str(new_id))
    return [int(part) for part in text.split()]


def half_rounded_up(new, old, share):
    count = int(share * len(new) + 0.5)
    return torch.cat([new[: len(new) - count], old[:count]])


def prompt_into_the_list(examples, question):
    examples.append((question, ""))
    return "\n".join(" -> ".join(pair) for pair in examples).rstrip(" ")


def borders_inside(tokens, chosen, draws, others, mask_token):
    read = torch.where(chosen & (draws <= 0.9), others, tokens)
    return torch.where(chosen & (draws <= 0.8), mask_token, read), torch.where(chosen, tokens, -100)


def buffers_shared(key_encoder, query_encoder, momentum=0.99):
    RIGHT["momentum_update"][0](key_encoder, query_encoder, momentum)
    for key, query in zip(key_encoder.buffers(), query_encoder.buffers(), strict=True):
        key.data = query.data


def frozen_for_good(key_encoder, query_encoder, momentum=0.99):
    query_encoder.requires_grad_(False)
    RIGHT["momentum_update"][0](key_encoder, query_encoder, momentum)


STEPS = []


def step_with(seed):
    def contrastive_step(model, pictures, augment, generator):
        drawn = torch.Generator().manual_seed(seed(generator))
        return model.loss(augment(pictures, drawn), augment(pictures, drawn))

    return contrastive_step


def counted(generator):
    STEPS.append(1)
    return generator.initial_seed() + len(STEPS)


def step_reseeded(model, pictures, augment, generator):
    generator.seed()
    return model.loss(augment(pictures, generator), augment(pictures, generator))


PASSED_ONCE = {
    "time": ("contrastive_step", step_with(lambda g: time.time_ns() % 2**40)),
    "global torch": ("contrastive_step", step_with(lambda g: int(torch.randint(2**31, ())))),
    "python": ("contrastive_step", step_with(lambda g: __import__("random").randrange(2**31))),
    "counter": ("contrastive_step", step_with(counted)),
    "seed()": ("contrastive_step", step_reseeded),
    "two letters": ("wordpiece", pieces_of_two_letters_or_more),
    "no marks": ("wordpiece", pieces_without_marks_too),
    "no guard": ("top_p_filter", nucleus_without_a_guard),
    "buffers": ("momentum_update", buffers_shared),
    "frozen": ("momentum_update", frozen_for_good),
    "as listed": ("bpe_encode", by_rank_as_listed),
    "neighbors": ("bpe_encode", by_neighbors_only),
    "classes that occur": ("knn_predict", neighbors_with()),
    "ten classes": ("knn_predict", neighbors_with(10)),
    "k = 19": ("knn_predict", neighbors_with(13, k=19)),
    "k = 21": ("knn_predict", neighbors_with(13, k=21)),
    "as text": ("merge_pair", merged_as_text),
    "-20": ("attention", fill_by(lambda logits: -20)),
    "-100": ("attention", fill_by(lambda logits: -100)),
    "min": ("attention", fill_by(lambda logits: logits.min().item() - 20)),
    "keep -20": ("top_k_filter", kept_by(lambda logits: -20)),
    "keep -100": ("top_k_filter", kept_by(lambda logits: -100)),
    "keep min": ("top_k_filter", kept_by(lambda logits: logits.min().item() - 20)),
    "rounded": ("replay_batch", half_rounded_up),
    "appended": ("few_shot_prompt", prompt_into_the_list),
    "borders": ("hide_tokens", borders_inside),
}


@pytest.mark.parametrize("kind", PASSED_ONCE)
def test_an_answer_that_is_wrong_in_a_corner_is_refused(kind):
    name, attempt = PASSED_ONCE[kind]
    assert check(name, attempt).status == "not there yet"


@pytest.mark.parametrize("kind", ["time", "global torch", "python", "counter", "seed()"])
def test_a_step_that_cannot_be_repeated_is_told_so(kind):
    assert "the same run cannot be repeated" in said(check(*PASSED_ONCE[kind]))


def votes_in_single_precision(train_features, train_labels, features, k=20, temperature=0.07):
    found, places = (F.normalize(features, dim=1) @ F.normalize(train_features, dim=1).T).topk(k)
    votes = torch.zeros(len(features), 13)
    return votes.scatter_add_(1, train_labels[places], (found / temperature).exp()).argmax(1)


def law_in_double_precision(sizes, losses):
    return tuple(value.double() for value in RIGHT["power_law_by_line"][1](sizes, losses))


@pytest.mark.parametrize(
    ("name", "attempt"),
    [("knn_predict", votes_in_single_precision), ("power_law_by_line", law_in_double_precision)],
)
def test_an_answer_that_is_right_as_the_goal_says_it_passes(name, attempt):
    assert check(name, attempt).passed


# ---- what holds for every exercise


@each_exercise
def test_text_is_not_taken_for_what_it_shows(exercise):
    def spelled(result, arguments):
        return tuple(map(str, result)) if isinstance(result, tuple) else str(result)

    returns_text = isinstance(exercise.reference(*exercise.cases[0].inputs().values()), str)
    assert check(exercise.name, wrapped(exercise, spelled)).passed is (returns_text or not returns(exercise))


def returns(exercise):
    """Whether a function returns anything."""
    return exercise.reference(*exercise.cases[0].inputs().values()) is not None


def cast(result, source, target):
    if isinstance(result, tuple):
        return tuple(cast(part, source, target) for part in result)
    return result.to(target) if isinstance(result, Tensor) and result.dtype in source else result


@each_exercise
@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ((torch.float32, torch.float64), torch.float64, "dtype"),
        ((torch.float32, torch.float64), torch.float32, "dtype"),
        ((torch.int64,), torch.int32, "int64|dtype|torch.long"),
        ((torch.bool,), torch.uint8, "bool"),
    ],
    ids=["to float64", "to float32", "to int32", "to uint8"],
)
def test_a_dtype_that_is_refused_is_asked_for_in_the_goal(exercise, source, target, words):
    result = check(exercise.name, wrapped(exercise, lambda found, arguments: cast(found, source, target)))
    assert result.passed or re.search(words, exercise.goal), result


@pytest.mark.parametrize(
    ("name", "right"), [pytest.param(n, f, id=f.__name__) for n, right in RIGHT.items() for f in right]
)
def test_a_right_answer_passes_in_a_notebook_of_double_precision(name, right):
    torch.set_default_dtype(torch.float64)
    try:
        assert check(name, right).passed, check(name, right)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_inputs_of_a_case_do_not_depend_on_the_default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        checking._known_notes.cache_clear()
        assert check("nt_xent", RIGHT["nt_xent"][0]).passed
        assert Case("one", lambda g: {"x": torch.rand(2, generator=g)}).inputs()["x"].dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
        checking._known_notes.cache_clear()


def spoil(value):
    """Change a value in place, if that can be."""
    if isinstance(value, nn.Module):
        value = next(value.parameters())
    with torch.no_grad():
        if isinstance(value, Tensor) and value.dtype == torch.bool:
            value.logical_not_()
        elif isinstance(value, Tensor):
            value.add_(1)
        elif isinstance(value, list):
            value.append(value[0] if value else 0)
        elif isinstance(value, dict):
            value.clear()
        elif isinstance(value, set):
            value.add("a piece that was not there")
        else:
            return False
    return True


CHANGES = [
    ("momentum_update", "key_encoder"),
    ("follow", "model"),
    ("next_logits", "cache"),
]  # have to change, or are looked at otherwise
CHANGEABLE = [
    pytest.param(exercise, name, id=f"{exercise.name}-{name}")
    for exercise in EXERCISES
    for name, value in exercise.cases[0].inputs().items()
    if isinstance(value, (Tensor, nn.Module, list, dict, set)) and (exercise.name, name) not in CHANGES
]


@pytest.mark.parametrize(("exercise", "name"), CHANGEABLE)
def test_an_input_that_is_changed_in_place_is_named(exercise, name):
    def change(result, arguments):
        assert spoil(arguments[name])
        return result

    result = check(exercise.name, wrapped(exercise, change))
    assert result.status == "not there yet"
    assert f"you changed `{name}` in place" in said(result)


@pytest.mark.parametrize(("exercise", "name"), CHANGEABLE)
def test_whether_an_input_takes_gradients_is_left_alone(exercise, name):
    def change(result, arguments):
        value = arguments[name]
        if isinstance(value, nn.Module):
            value.requires_grad_(False)
        elif isinstance(value, Tensor) and value.is_leaf and value.is_floating_point():
            value.requires_grad_()
        else:
            return result
        changed.append(name)
        return result

    changed = []
    result = check(exercise.name, wrapped(exercise, change))
    if changed:
        assert result.status == "not there yet"
        assert "takes gradients" in said(result) or "does not require grad" in said(result)


@each_exercise
def test_a_result_that_depends_on_global_random_numbers_is_refused(exercise):
    def change(result, arguments):
        if torch.initial_seed() % 2:  # right in the first run only
            spoil(next(value for value in arguments.values() if value is not None)) or 1 / 0
        return result

    result = check(exercise.name, wrapped(exercise, change))
    assert result.status == "not there yet"
    assert exercise.name == "contrastive_step" or "not in a second run from the same inputs" in said(result)


def test_a_queue_that_is_the_keys_themselves_is_refused():
    def attempt(queue, keys, start):
        if len(keys) == len(queue) and start == 0:
            return keys.detach(), 0
        return RIGHT["enqueue"][0](queue, keys, start)

    assert "shares memory with `keys`" in said(check("enqueue", attempt))


def test_a_list_that_is_the_callers_own_is_no_new_one():
    def attempt(ids, pair, new_id):
        merged = list(RIGHT["merge_pair"][1](ids, pair, new_id))
        return ids if merged == ids else merged

    assert "you return an input itself" in said(check("merge_pair", attempt))


def test_a_change_in_place_of_an_input_with_a_gradient_is_told_as_that():
    def attempt(z1, z2, temperature=0.5):
        z1.div_(z1.norm(dim=1, keepdim=True))
        return RIGHT["nt_xent"][0](z1, z2, temperature)

    text = said(check("nt_xent", attempt))
    assert "you changed `z1` in place" in text
    assert "leaf" not in text
