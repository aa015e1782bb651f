"""The family at one budget: equal text, equal sizes, and blanks that are counted right."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from fmlib.llm.family import blanks
from fmlib.llm.family import ladder as family_ladder
from fmlib.llm.family import training as family_training
from fmlib.llm.family.training import KINDS, Recipe, make_batches, make_loss, make_model, train
from fmlib.llm.gpt.config import parameter_count
from fmlib.llm.gpt.experiments import Letters
from fmlib.llm.tokens.characters import CharTokenizer
from fmlib.results import compare

SMALL = Recipe(letters=256, layers=2, heads=2, dim=16, max_length=16, steps=30, batch_size=8)
VERSE = "the cat sat on the mat and the dog sat on the log. " * 40


def bytes_of(text):
    return torch.tensor(list(text.encode()))


@pytest.fixture
def plays():
    text = bytes_of(VERSE)
    return Letters(CharTokenizer.train(VERSE), text, text[:400], text[400:800])


def some_blanks(span=1, count=12):
    return blanks.make_blanks(
        bytes_of(VERSE), count, SMALL.max_length, span, generator=torch.Generator().manual_seed(1)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_the_same_tokens_of_a_step(kind, plays, monkeypatch):
    pieces = make_batches(SMALL, plays, seed=3)(5)
    seen = []
    for name in ("mask_tokens", "span_corruption"):
        whole = getattr(family_training, name)
        monkeypatch.setattr(
            family_training,
            name,
            lambda tokens, *a, whole=whole, **k: (seen.append(tokens), whole(tokens, *a, **k))[1],
        )
    model = make_model(kind, SMALL, seed=0)
    if kind in ("gpt", "llama"):
        model.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    make_loss(kind, SMALL)(model, pieces, torch.Generator().manual_seed(0))
    assert len(seen) == 1
    assert torch.equal(seen[0], pieces[:, :-1])


def test_the_members_of_the_family_are_about_equally_large():
    counts = [parameter_count(make_model(kind, Recipe(letters=80), seed=0)) for kind in KINDS]
    assert max(counts) < 1.08 * min(counts)  # BERT has one more layer in its head


def test_the_rungs_of_the_ladder_are_about_equally_large():
    counts = [
        parameter_count(family_ladder.make_rung(r, Recipe(letters=80), seed=0)) for r in family_ladder.LADDER
    ]
    assert max(counts) < 1.03 * min(counts)


@pytest.mark.parametrize(("rung", "kind"), [("gpt", "gpt"), ("grouped", "llama")])
def test_the_ladder_leads_from_our_gpt_to_our_llama(rung, kind):
    model = make_model(kind, SMALL, seed=0).eval()
    ours = family_ladder.make_rung(rung, SMALL, seed=1).eval()
    ours.load_state_dict(model.state_dict())
    tokens = bytes_of(VERSE)[:32].view(2, 16)
    assert torch.equal(ours(tokens), model(tokens))


@pytest.mark.parametrize("rung", family_ladder.LADDER)
def test_a_rung_never_looks_ahead_and_its_cache_changes_nothing(rung):
    model = family_ladder.make_rung(rung, SMALL, seed=0).double().eval()
    tokens = bytes_of(VERSE)[:16][None]
    whole, cache = model(tokens), model.make_cache(1)
    steps = torch.cat([model(tokens[:, :9], cache=cache), model(tokens[:, 9:], cache=cache)], dim=1)
    assert torch.allclose(steps, whole, atol=1e-12)
    changed = tokens.clone()
    changed[0, 9:] = 1
    assert torch.allclose(model(changed)[:, :9], whole[:, :9], atol=1e-12)


def test_rungs_differ_from_the_one_below_in_one_part():
    def parts(rung):
        model = family_ladder.make_rung(rung, SMALL, seed=0)
        block = model.blocks[0]
        return (
            type(model.norm).__name__,
            type(block.attention).__name__,
            model.position_embedding is None,
            type(block.mlp).__name__,
            block.attention.key.out_features,
        )

    gpt, rms_norm, rotary, swiglu, grouped = (parts(rung) for rung in family_ladder.LADDER)
    assert [a == b for a, b in zip(gpt, rms_norm, strict=True)] == [False, True, True, True, True]
    assert [a == b for a, b in zip(rms_norm, rotary, strict=True)] == [True, False, False, True, True]
    assert [a == b for a, b in zip(rotary, swiglu, strict=True)] == [True, True, True, False, True]
    assert [a == b for a, b in zip(swiglu, grouped, strict=True)] == [True, True, True, True, False]


def test_blanks_lie_in_the_middle_half_and_know_their_place_in_the_text():
    text = bytes_of(VERSE)
    found = blanks.make_blanks(text, 50, 16, 3, generator=torch.Generator().manual_seed(0))
    assert int(found.starts.min()) >= 4
    assert int(found.starts.max()) + 3 <= 12
    assert torch.equal(text[found.places[:, None] + torch.arange(3)], found.missing)


def by_hand(model, kind, piece, start, span, left_only):
    """Nats of the missing tokens, one by one."""
    if left_only:
        piece = piece[: start + span]
    told = piece[start : start + span].tolist()
    ordinary, nats = SMALL.letters, []
    for i, token in enumerate(told):
        if kind == "bert":
            read = piece.clone()
            read[start : start + span] = SMALL.mask_token
            logits = model(read[None])[0, start + i]
        elif kind == "t5":
            read = torch.cat([piece[:start], torch.tensor([279]), piece[start + span :]])
            logits = model(read[None], torch.tensor([[SMALL.start_token, 279, *told[:i]]]))[0, -1]
        else:
            logits = model(piece[None, : start + i])[0, -1]
        nats.append(-math.log(torch.softmax(logits[:ordinary], 0)[token].item()))
    return nats


@pytest.mark.parametrize("left_only", [False, True])
@pytest.mark.parametrize("span", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_the_nats_of_a_blank_are_those_counted_by_hand(kind, span, left_only):
    model = make_model(kind, SMALL, seed=0).double().eval()
    asked = some_blanks(span)
    found = blanks.blank_nats(model, SMALL, asked, left_only=left_only, batch_size=5)
    expected = [
        by_hand(model, kind, piece, start, span, left_only)
        for piece, start in zip(asked.pieces, asked.starts.tolist(), strict=True)
    ]
    assert torch.allclose(found, torch.tensor(expected), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_missing_tokens_are_not_in_sight(kind):
    model = make_model(kind, SMALL, seed=0).eval()
    asked = some_blanks()
    other = asked._replace(pieces=asked.pieces.scatter(1, asked.columns, 7))
    logits = [blanks.blank_logits(model, SMALL, b) for b in (asked, other)]
    assert torch.equal(*logits)


def test_what_stands_behind_is_of_no_use_to_gpt_and_of_use_to_bert_and_t5():
    asked = some_blanks()
    behind = asked.columns + 1
    other = asked._replace(pieces=asked.pieces.scatter(1, behind, 7))
    same = {
        kind: torch.equal(
            *(blanks.blank_logits(make_model(kind, SMALL, 0).eval(), SMALL, b) for b in (asked, other))
        )
        for kind in KINDS
    }
    assert same == {"gpt": True, "llama": True, "bert": False, "t5": False}


@torch.no_grad()
def test_with_all_tokens_tried_reranking_is_bayes_rule():
    model = make_model("llama", SMALL, seed=0).double().eval()
    torch.nn.init.normal_(model.token_embedding.weight)  # sure of something
    asked = some_blanks(count=3)
    found = blanks.reranked_nats(model, SMALL, asked, candidates=SMALL.letters, behind=4)
    for piece, start, nats in zip(asked.pieces, asked.starts.tolist(), found, strict=True):
        texts = piece[None, : start + 5].repeat(SMALL.letters, 1)
        texts[:, start] = torch.arange(SMALL.letters)
        logits = model(texts[:, :-1]).log_softmax(-1)
        said = logits.gather(-1, texts[:, 1:, None])[..., 0]
        fits = said[:, start - 1 :].sum(1)
        assert nats.item() == pytest.approx(-fits.log_softmax(0)[piece[start]].item(), abs=1e-4)


@torch.no_grad()
def test_reranking_hands_out_exactly_1():
    model = make_model("gpt", SMALL, seed=0).eval()
    torch.nn.init.normal_(model.token_embedding.weight, std=0.3)
    asked = some_blanks(count=1)
    start = int(asked.starts)
    total = 0.0
    for token in range(SMALL.letters):
        pieces = asked.pieces.clone()
        pieces[0, start] = token
        nats = blanks.reranked_nats(model, SMALL, asked._replace(pieces=pieces), candidates=5, behind=3)
        total += math.exp(-nats.item())
    assert total == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_each_learns_its_own_task(kind, plays):
    recipe = replace(SMALL, rates=dict.fromkeys(KINDS, 1e-2), steps=40)
    model = make_model(kind, recipe, seed=0)
    history = train(model, kind, recipe, plays, progress=False)
    assert sum(history.loss[-5:]) < 0.8 * sum(history.loss[:5])


def test_a_row_of_the_ladder_can_be_computed_at_smoke(monkeypatch):
    monkeypatch.setenv("FMLIB_SCALE", "smoke")
    found = family_ladder.ladder_row("rotary", seed=0)
    assert list(found) == ["ladder_rotary"]
    assert 0 < found["ladder_rotary"] < 10


def test_the_comparison_has_a_row_for_each_rung():
    comparison = compare.load("family")
    assert comparison.prefix == "llm/family"
    assert list(comparison.rows) == list(family_ladder.LADDER)


def test_operations_of_a_gpt_are_those_of_the_formula():
    matrices = SMALL.layers * 12 * SMALL.dim**2 + SMALL.vocab_size * SMALL.dim
    maps = 12 * SMALL.layers * SMALL.max_length * SMALL.dim
    tokens = SMALL.batch_size * SMALL.max_length
    assert family_training.flops_per_step("gpt", SMALL) == tokens * (6 * matrices + maps)


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: replace(SMALL, layers=3), "layers is 3: expected an even number"),
        (lambda: make_model("elmo", SMALL, 0), "kind is 'elmo': expected one of gpt, llama, bert, t5"),
        (lambda: family_ladder.make_rung("bert", SMALL, 0), "rung is 'bert': expected one of gpt"),
        (lambda: some_blanks(count=1000), "count is 1000: expected 1 to 127, pieces of 16 in 2040 tokens"),
        (lambda: some_blanks(span=5), "span is 5: expected 1 to 4"),
        (
            lambda: blanks.reranked_nats(make_model("gpt", SMALL, 0), SMALL, some_blanks(span=3)),
            "blanks have 3 tokens: expected 1",
        ),
    ],
    ids=lambda value: value.split(":")[0] if isinstance(value, str) else "",
)
def test_what_cannot_be_is_refused(attempt, words, refuses):
    with refuses(ValueError, words):
        attempt()


def test_accuracy_counts_the_likeliest_tokens():
    asked = some_blanks()

    class Oracle(torch.nn.Linear):
        def forward(self, tokens):
            return F.one_hot(torch.roll(asked.pieces, -1, 1)[:, : tokens.shape[1]], SMALL.vocab_size).float()

    assert blanks.accuracy(Oracle(1, 1), SMALL, asked) == 100
