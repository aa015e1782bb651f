import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fmlib.llm.generation import decode as generation
from fmlib.llm.generation.beam import beam_search
from fmlib.llm.generation.decode import generate, next_logits, pad_left, stream
from fmlib.llm.generation.measure import distinct_ngrams, surprise
from fmlib.llm.generation.one_token import LARGEST_DIM, OneTokenStep, can_be_fused
from fmlib.llm.generation.sampling import (
    Sampling,
    apply_temperature,
    min_p_filter,
    repetition_penalty,
    sample_token,
    top_k_filter,
    top_p_filter,
)
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.model import GPT, load_gpt2
from fmlib.llm.gpt.next_token import next_token_loss

VOCAB = 61


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def loud(model, seed=1, size=0.3):
    """Weights so large that the model has opinions, which differ from place to place."""
    generator = seeded(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(size * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    return model


@pytest.fixture
def model():
    config = GPTConfig(vocab_size=VOCAB, max_length=40, layers=2, heads=2, dim=16)
    return loud(GPT(config).double()).eval()


@pytest.fixture
def prompt():
    return torch.randint(0, VOCAB, (3, 5), generator=seeded())


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The same random weights in transformers and, through a checkpoint, in ours."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=VOCAB, n_positions=40, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=None
    )
    theirs = loud(GPT2LMHeadModel(config), size=0.25).eval()
    folder = tmp_path_factory.mktemp("gpt2")
    theirs.save_pretrained(folder)
    return load_gpt2(folder).double(), theirs.double()


def their_generate(theirs, tokens, new, **settings):
    from transformers import GenerationConfig

    settings = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0} | settings
    return theirs.generate(
        tokens,
        attention_mask=settings.pop("attention_mask", torch.ones_like(tokens)),
        generation_config=GenerationConfig(max_new_tokens=new, **settings),
    )


class TestSameAsTransformers:
    @pytest.mark.parametrize("k", [1, 5, VOCAB, VOCAB + 9])
    def test_top_k(self, k):
        from transformers import TopKLogitsWarper

        logits = torch.randn(4, VOCAB, generator=seeded()).round(decimals=1)  # with ties
        assert torch.equal(top_k_filter(logits, k), TopKLogitsWarper(k)(None, logits))

    @pytest.mark.parametrize("p", [1e-6, 0.1, 0.5, 0.9, 0.999])
    def test_top_p(self, p):
        from transformers import TopPLogitsWarper

        logits = 3 * torch.randn(20, VOCAB, generator=seeded(), dtype=torch.float64)
        assert torch.equal(top_p_filter(logits, p), TopPLogitsWarper(p)(None, logits))

    @pytest.mark.parametrize("share", [0.01, 0.1, 0.9])
    def test_min_p(self, share):
        from transformers import MinPLogitsWarper

        logits = 3 * torch.randn(20, VOCAB, generator=seeded(), dtype=torch.float64)
        assert torch.equal(min_p_filter(logits, share), MinPLogitsWarper(share)(None, logits))

    @pytest.mark.parametrize("temperature", [0.1, 0.7, 3.0])
    def test_temperature(self, temperature):
        from transformers import TemperatureLogitsWarper

        logits = torch.randn(4, VOCAB, generator=seeded())
        theirs = TemperatureLogitsWarper(temperature)(None, logits)
        assert torch.equal(apply_temperature(logits, temperature), theirs)

    @pytest.mark.parametrize("penalty", [1.0, 1.2, 5.0])
    def test_repetition_penalty(self, penalty):
        from transformers import RepetitionPenaltyLogitsProcessor

        logits = torch.randn(4, VOCAB, generator=seeded())
        tokens = torch.randint(0, VOCAB, (4, 30), generator=seeded(1))
        theirs = RepetitionPenaltyLogitsProcessor(penalty)(tokens, logits)
        assert torch.equal(repetition_penalty(logits, tokens, penalty), theirs)

    def test_greedy(self, pair, prompt):
        ours, theirs = pair
        assert torch.equal(generate(ours, prompt, 30), their_generate(theirs, prompt, 30))

    def test_greedy_with_a_repetition_penalty(self, pair, prompt):
        ours, theirs = pair
        mine = generate(ours, prompt, 30, Sampling(temperature=0, repetition_penalty=1.7))
        assert torch.equal(mine, their_generate(theirs, prompt, 30, repetition_penalty=1.7))
        assert not torch.equal(mine, generate(ours, prompt, 30))

    def test_greedy_with_left_padding(self, pair):
        ours, theirs = pair
        tokens, mask = pad_left([[3, 1, 4, 1, 5], [9], [2, 6, 5]])
        theirs_too = their_generate(theirs, tokens, 20, attention_mask=mask.long())
        assert torch.equal(generate(ours, tokens, 20, mask=mask), theirs_too)

    @pytest.mark.parametrize("beams", [1, 2, 5])
    def test_beam_search(self, pair, prompt, beams):
        ours, theirs = pair
        mine = beam_search(ours, prompt, beams, 12)
        assert torch.equal(mine, their_generate(theirs, prompt, 12, num_beams=beams))

    @pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
    @pytest.mark.parametrize("stop", [(12,), (5, 12, 33)])
    def test_beam_search_that_may_stop(self, pair, length_penalty, stop):
        ours, theirs = pair
        lengths = set()
        for seed in range(8):
            start = torch.randint(0, VOCAB, (1, 3), generator=seeded(seed))
            mine = beam_search(ours, start, 4, 15, length_penalty=length_penalty, stop=stop)
            expected = their_generate(
                theirs, start, 15, num_beams=4, length_penalty=length_penalty, eos_token_id=list(stop)
            )
            assert torch.equal(mine, expected)
            lengths.add(mine.shape[1])
        assert len(lengths) > 1 or length_penalty > 1  # some stopped, unless long texts are favored

    def test_sampling_draws_from_the_same_probabilities(self, pair, prompt):
        from transformers import (
            LogitsProcessorList,
            TemperatureLogitsWarper,
            TopKLogitsWarper,
            TopPLogitsWarper,
        )

        ours, theirs = pair
        warpers = LogitsProcessorList(
            [TemperatureLogitsWarper(0.7), TopKLogitsWarper(20), TopPLogitsWarper(0.8)]
        )
        with torch.no_grad():
            expected = warpers(prompt, theirs(prompt).logits[:, -1])
            mine = Sampling(temperature=0.7, top_k=20, top_p=0.8).filter(next_logits(ours, prompt), prompt)
        torch.testing.assert_close(mine, expected, rtol=0, atol=1e-10)


class TestFilters:
    @settings(max_examples=50, deadline=None)
    @given(
        logits=st.lists(st.floats(-20, 20), min_size=1, max_size=12),
        p=st.floats(0, 1, exclude_min=True),
    )
    def test_the_nucleus_is_the_smallest_set_that_reaches_p(self, logits, p):
        row = torch.tensor([logits], dtype=torch.float64)
        kept = top_p_filter(row, p)[0].isfinite()
        probability = row[0].softmax(0)
        inside = probability[kept].sort().values
        assert len(inside) >= 1
        assert inside.sum() >= p - 1e-9
        assert len(inside) == 1 or inside[1:].sum() < p + 1e-9  # without its least likely it falls short
        assert probability[kept].min() >= probability[~kept].max() if (~kept).any() else True

    @pytest.mark.parametrize("p", [1e-9, 0.3])
    def test_the_likeliest_token_is_always_in_the_nucleus(self, p):
        logits = torch.randn(50, VOCAB, generator=seeded())
        assert torch.equal(top_p_filter(logits, p).argmax(-1), logits.argmax(-1))
        assert top_p_filter(logits, 1e-9).isfinite().sum(-1).eq(1).all()

    def test_a_nucleus_of_everything_changes_nothing(self):
        logits = 30 * torch.randn(50, VOCAB, generator=seeded())
        assert torch.equal(top_p_filter(logits, 1.0), logits)

    def test_what_was_filtered_before_stays_out(self):
        logits = torch.randn(5, VOCAB, generator=seeded())
        once = top_k_filter(logits, 3)
        for filtered in (top_p_filter(once, 1.0), top_p_filter(once, 0.99), min_p_filter(once, 1e-9)):
            assert not filtered[once.isneginf()].isfinite().any()

    def test_temperature_keeps_the_order_and_moves_the_mass(self):
        logits = torch.randn(5, VOCAB, generator=seeded())
        tops = [apply_temperature(logits, t).softmax(-1).amax(-1) for t in (0.1, 0.5, 1.0, 2.0)]
        assert all((a > b).all() for a, b in itertools.pairwise(tops))

    def test_a_penalty_lowers_what_is_there_whatever_its_sign_and_once(self):
        logits = torch.tensor([[2.0, -2.0, 1.0, -1.0]])
        after = repetition_penalty(logits, torch.tensor([[0, 0, 1]]), 2.0)
        assert after.tolist() == [[1.0, -4.0, 1.0, -1.0]]

    def test_padding_is_not_penalized(self):
        logits = torch.tensor([[2.0, 3.0]])
        tokens, mask = torch.tensor([[0, 1]]), torch.tensor([[False, True]])
        assert repetition_penalty(logits, tokens, 2.0, mask).tolist() == [[2.0, 1.5]]

    @pytest.mark.parametrize(
        "sampling", [Sampling(), Sampling(temperature=0.6, top_k=5, top_p=0.9, min_p=0.02)]
    )
    def test_tokens_are_drawn_as_often_as_they_are_likely(self, sampling):
        logits = torch.randn(1, 9, generator=seeded(3))
        nothing = torch.zeros(1, 1, dtype=torch.long)
        expected = sampling.filter(logits, nothing)[0].softmax(0)
        draws = 20_000
        rows = logits.expand(draws, -1)
        counts = sampling.take(rows, nothing.expand(draws, -1), generator=seeded()).bincount(minlength=9)
        assert counts[expected == 0].sum() == 0
        inside = expected > 0
        chi2 = ((counts - draws * expected) ** 2 / (draws * expected))[inside].sum()
        freedom = int(inside.sum()) - 1
        assert chi2 < freedom + 4 * math.sqrt(2 * freedom)

    def test_the_same_generator_draws_the_same(self):
        logits = torch.randn(50, VOCAB, generator=seeded())
        assert torch.equal(sample_token(logits, seeded(4)), sample_token(logits, seeded(4)))
        assert not torch.equal(sample_token(logits, seeded(4)), sample_token(logits, seeded(5)))

    @pytest.mark.parametrize("bad", [float("nan"), float("-inf"), float("inf")])
    def test_logits_that_leave_nothing_to_draw_are_refused(self, bad, refuses):
        with refuses(ValueError, "logits have nan or nothing finite at the top of row 0"):
            sample_token(torch.full((2, 3), bad), seeded())

    def test_a_draw_without_a_generator_is_refused(self, refuses):
        with refuses(ValueError, "generator is None"):
            sample_token(torch.zeros(2, 3), None)

    @pytest.mark.parametrize(
        ("bad", "says"),
        [
            ({"temperature": -1.0}, "temperature is -1"),
            ({"temperature": float("nan")}, "temperature is nan"),
            ({"top_k": 0}, "top_k is 0"),
            ({"top_k": 2.5}, "top_k is 2.5"),
            ({"top_p": 0.0}, "top_p is 0"),
            ({"top_p": 1.1}, "top_p is 1.1"),
            ({"min_p": -0.1}, "min_p is -0.1"),
            ({"repetition_penalty": 0.9}, "repetition_penalty is 0.9"),
        ],
    )
    def test_sampling_refuses_numbers_out_of_range(self, bad, says, refuses):
        with refuses(ValueError, says):
            Sampling(**bad)

    def test_the_functions_refuse_them_too(self, refuses):
        logits = torch.zeros(1, 3)
        for function in (apply_temperature, top_k_filter, top_p_filter, min_p_filter):
            with refuses(ValueError, "is 0"):
                function(logits, 0)
        with refuses(ValueError, "tokens have shape .* batch is 1 as in logits"):
            repetition_penalty(logits, torch.zeros(2, 1, dtype=torch.long), 1.2)


SETTINGS = {
    "greedy": Sampling.greedy(),
    "plain": Sampling(),
    "filtered": Sampling(temperature=0.8, top_k=20, top_p=0.9, repetition_penalty=1.2),
}


class TestGenerate:
    @pytest.mark.parametrize("name", SETTINGS)
    def test_with_and_without_cache_the_tokens_are_the_same(self, model, prompt, name):
        runs = [
            generate(model, prompt, 30, SETTINGS[name], generator=seeded(), use_cache=use_cache)
            for use_cache in (True, False)
        ]
        assert torch.equal(*runs)
        assert runs[0].shape == (3, 35)
        assert torch.equal(runs[0][:, :5], prompt)

    @pytest.mark.parametrize("name", SETTINGS)
    def test_with_and_without_cache_a_padded_batch_gets_the_same(self, model, name):
        tokens, mask = pad_left([[1, 2, 3, 4], [5], [6, 7]])
        runs = [
            generate(model, tokens, 20, SETTINGS[name], mask=mask, generator=seeded(), use_cache=use_cache)
            for use_cache in (True, False)
        ]
        assert torch.equal(*runs)

    @pytest.mark.parametrize("sampling", [Sampling.greedy(), Sampling(temperature=0, repetition_penalty=1.5)])
    @pytest.mark.parametrize("pad", [0, 60])
    def test_a_row_of_a_batch_gets_what_it_gets_alone(self, model, sampling, pad):
        rows = [[8, 3, 8, 1, 60, 12], [5], [0, 7, 0]]
        tokens, mask = pad_left(rows, pad)
        together = generate(model, tokens, 25, sampling, mask=mask)
        for row, got in zip(rows, together, strict=True):
            alone = generate(model, torch.tensor([row]), 25, sampling)
            assert torch.equal(got[6 - len(row) :], alone[0])

    def test_the_logits_of_a_padded_row_are_those_of_the_row_alone(self, model):
        rows = [[8, 3, 8, 1, 60, 12], [5], [0, 7, 0]]
        tokens, mask = pad_left(rows, pad=3)
        logits = next_logits(model, tokens, mask=mask)
        for row, got in zip(rows, logits, strict=True):
            torch.testing.assert_close(got, next_logits(model, torch.tensor([row]))[0], rtol=0, atol=1e-12)

    def test_a_cache_that_has_seen_a_part_gives_the_same_logits(self, model, prompt):
        for seen in range(1, 5):
            cache = model.make_cache(3, 10)
            next_logits(model, prompt[:, :seen], cache)
            got = next_logits(model, prompt, cache)
            torch.testing.assert_close(got, next_logits(model, prompt), rtol=0, atol=1e-12)

    def test_a_cache_that_has_seen_everything_is_refused(self, model, prompt, refuses):
        cache = model.make_cache(3, 10)
        next_logits(model, prompt, cache)
        with refuses(ValueError, "has seen 5 tokens of 5"):
            next_logits(model, prompt, cache)

    def test_each_token_goes_through_the_model_once(self, model, prompt, monkeypatch):
        lengths, hidden = [], model.hidden
        monkeypatch.setattr(model, "hidden", lambda t, **k: lengths.append(t.shape[1]) or hidden(t, **k))
        generate(model, prompt, 4)
        assert lengths == [5, 1, 1, 1]

    def test_the_stream_is_what_generate_returns(self, model, prompt):
        sampling = SETTINGS["filtered"]
        pieces = list(stream(model, prompt, 9, sampling, generator=seeded(2)))
        whole = generate(model, prompt, 9, sampling, generator=seeded(2))
        assert torch.equal(torch.stack(pieces, dim=1), whole[:, 5:])

    def test_a_stream_leaves_gradients_on_for_whoever_reads_it(self, model, prompt):
        for _ in stream(model, prompt, 2):
            assert torch.is_grad_enabled()
            assert not torch.is_inference_mode_enabled()

    def test_what_was_generated_can_be_trained_on(self, model, prompt):
        tokens = generate(model, prompt, 6)
        next_token_loss(model(tokens), tokens).backward()
        assert all(p.grad is not None for p in model.parameters())

    def test_dropout_is_off_meanwhile_and_every_part_keeps_its_mode(self, prompt):
        model = loud(GPT(GPTConfig(vocab_size=VOCAB, max_length=40, layers=1, heads=2, dim=16, dropout=0.5)))
        model.train()
        model.blocks[0].eval()
        modes = [m.training for m in model.modules()]
        once, again = generate(model, prompt, 9), generate(model, prompt, 9)
        assert torch.equal(once, again)
        assert [m.training for m in model.modules()] == modes
        running = stream(model, prompt, 9)
        next(running)
        running.close()
        assert [m.training for m in model.modules()] == modes

    def test_a_row_stops_at_its_stop_token_and_the_others_go_on(self, model, prompt):
        free = generate(model, prompt, 20)[:, 5:]
        stops = (int(free[0, 3]), int(free[1, 6]))
        stopped = generate(model, prompt, 20, stop=stops)[:, 5:]
        ends = []
        for before, after in zip(free, stopped, strict=True):
            hits = [i for i, token in enumerate(before.tolist()) if token in stops]
            end = hits[0] if hits else 19
            ends.append(end)
            assert torch.equal(after[: end + 1], before[: len(after)][: end + 1])
            assert (after[end:] == after[end]).all()
        assert stopped.shape[1] == max(ends) + 1
        assert min(ends) < max(ends)

    def test_beam_search_finds_texts_at_least_as_likely_as_greedy(self, model):
        prompt = torch.randint(0, VOCAB, (6, 4), generator=seeded(5))
        scores = [
            surprise(model, tokens)[:, 3:].sum(1)
            for tokens in (generate(model, prompt, 8), beam_search(model, prompt, 8, 8))
        ]
        assert scores[1].sum() < scores[0].sum()

    def test_a_row_of_beam_search_gets_what_it_gets_alone(self, model, prompt):
        together = beam_search(model, prompt, 3, 10, stop=(4, 9))
        for row, got in zip(prompt, together, strict=True):
            alone = beam_search(model, row[None], 3, 10, stop=(4, 9))[0]
            assert torch.equal(got[: len(alone)], alone)
            assert (got[len(alone) :] == alone[-1]).all()


class TestOneTokenStep:
    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize("batch", [1, 3])
    def test_it_gives_the_models_own_logits(self, bias, batch):
        config = GPTConfig(vocab_size=VOCAB, max_length=12, layers=2, heads=2, dim=16, bias=bias)
        model = loud(GPT(config).double()).eval()
        tokens = torch.randint(0, VOCAB, (batch, 12), generator=seeded())
        step, cache = OneTokenStep(model), model.make_cache(batch)
        for end in range(1, 13):
            with torch.no_grad():
                got, expected = step(tokens[:, end - 1], cache), next_logits(model, tokens[:, :end])
            torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)

    def test_a_plain_gpt_is_written_with_it(self, model, prompt, monkeypatch):
        steps = []
        own = OneTokenStep.__call__
        monkeypatch.setattr(OneTokenStep, "__call__", lambda s, t, c: steps.append(len(t)) or own(s, t, c))
        generate(model, prompt, 5)
        assert steps == [3] * 4

    @pytest.mark.parametrize(
        "change",
        [
            lambda m: setattr(
                m.blocks[0].attention, "query", torch.nn.Sequential(m.blocks[0].attention.query)
            ),
            lambda m: setattr(m.blocks[1].mlp, "forward", lambda x: 0 * x),
            lambda m: m.blocks[0].mlp.register_forward_hook(lambda module, args, output: 0 * output),
            lambda m: m.blocks[0].register_forward_pre_hook(lambda module, args: None),
            lambda m: setattr(m.blocks[0].attention, "maps", []),
            lambda m: setattr(m.blocks[0], "pre_norm", False),
            lambda m: torch.nn.utils.parametrizations.weight_norm(m.blocks[0].mlp.expand),
        ],
        ids=["wrapped", "replaced", "hook", "pre-hook", "watched", "post-norm", "parametrized"],
    )
    def test_a_changed_model_is_written_as_it_is(self, model, prompt, change, refuses):
        assert can_be_fused(model)
        change(model)
        assert not can_be_fused(model)
        with refuses(ValueError, "not a plain, small GPT"):
            OneTokenStep(model)
        assert torch.equal(generate(model, prompt, 9), generate(model, prompt, 9, use_cache=False))

    def test_it_follows_the_weights(self, model, prompt):
        generate(model, prompt, 9)
        loud(model, seed=9)
        assert torch.equal(generate(model, prompt, 9), generate(model, prompt, 9, use_cache=False))

    def test_large_models_are_not_copied(self):
        with torch.device("meta"):
            assert not can_be_fused(GPT(GPTConfig(VOCAB, layers=1, heads=1, dim=LARGEST_DIM + 1)))


class TestBadRequests:
    @pytest.mark.parametrize(
        ("tokens", "error", "says"),
        [
            (torch.zeros(1, 0, dtype=torch.long), ValueError, "tokens are empty prompts"),
            (torch.zeros(0, 3, dtype=torch.long), ValueError, r"\(0, 3\)"),
            (torch.zeros(3, dtype=torch.long), ValueError, r"\(3,\)"),
            (torch.zeros(1, 3), TypeError, "float32"),
            ([1, 2], TypeError, "list"),
        ],
    )
    def test_a_prompt_that_is_none(self, model, tokens, error, says, refuses):
        for function in (lambda: generate(model, tokens, 3), lambda: beam_search(model, tokens, 2, 3)):
            with refuses(error, says):
                function()

    def test_more_tokens_than_the_model_has_positions(self, model, prompt, refuses):
        assert generate(model, prompt, 35).shape == (3, 40)
        with refuses(
            ValueError, "5 tokens and 36 new ones make 41: this model knows 40 positions. Ask for 35"
        ):
            generate(model, prompt, 36)

    @pytest.mark.parametrize("count", [0, -1, 1.5])
    def test_no_new_tokens(self, model, prompt, count, refuses):
        with refuses(ValueError, "max_new_tokens is"):
            generate(model, prompt, count)

    def test_sampling_without_a_generator(self, model, prompt, refuses):
        with refuses(ValueError, "generator is None at temperature 1"):
            stream(model, prompt, 3, Sampling())

    @pytest.mark.parametrize(
        ("mask", "says"),
        [
            ([[True, False]], "on the left only"),
            ([[True, False, True]], "on the left only"),
            ([[False, False, False]], "on the left only"),
            ([[2, 1, 1]], "mask has numbers from 1 to 2"),
            ([[1, 0, 1]], "on the left only"),
        ],
    )
    def test_a_mask_that_is_not_padding_on_the_left(self, model, mask, says, refuses):
        tokens = torch.zeros(1, len(mask[0]), dtype=torch.long)
        with refuses(ValueError, says):
            generate(model, tokens, 3, mask=torch.tensor(mask))

    def test_a_token_outside_the_vocabulary(self, model, refuses):
        with refuses(ValueError, f"expected 0 to {VOCAB - 1}"):
            generate(model, torch.tensor([[VOCAB]]), 3)

    @pytest.mark.parametrize("beams", [0, -2, 1.5])
    def test_beams_that_cannot_be(self, model, prompt, beams, refuses):
        with refuses(ValueError, "beams is"):
            beam_search(model, prompt, beams, 3)

    @pytest.mark.parametrize("rows", [[], [[1], []]])
    def test_prompts_that_are_empty(self, rows, refuses):
        with refuses(ValueError, "none empty"):
            pad_left(rows)


class TestSurpriseAndRepetition:
    def test_mean_surprise_is_the_loss(self, model):
        tokens = torch.randint(0, VOCAB, (2, 9), generator=seeded())
        with torch.no_grad():
            loss = next_token_loss(model(tokens), tokens)
        torch.testing.assert_close(
            surprise(model, tokens).mean(), loss.double().float(), rtol=1e-6, atol=1e-6
        )

    def test_surprise_needs_something_before(self, model, refuses):
        with refuses(ValueError, "expected two or more"):
            surprise(model, torch.zeros(1, 1, dtype=torch.long))

    def test_distinct_ngrams_counts_what_is_new(self):
        tokens = torch.tensor([[1, 2, 1, 2, 1, 2, 1], [1, 2, 3, 4, 5, 6, 7]])
        assert distinct_ngrams(tokens, 2).tolist() == pytest.approx([2 / 6, 1.0])
        assert distinct_ngrams(tokens, 7).tolist() == [1.0, 1.0]

    @pytest.mark.parametrize("n", [0, 8])
    def test_ngrams_longer_than_the_text_are_refused(self, n, refuses):
        with refuses(ValueError, f"n is {n}"):
            distinct_ngrams(torch.zeros(1, 7, dtype=torch.long), n)


def test_pad_left_marks_what_is_padding():
    tokens, mask = generation.pad_left([[1, 2, 3], [4]], pad=9)
    assert tokens.tolist() == [[1, 2, 3], [9, 9, 4]]
    assert mask.tolist() == [[True, True, True], [False, False, True]]
