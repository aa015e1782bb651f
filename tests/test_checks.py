"""What the checks say, and what they let pass: whole numbers as masks, half precision, numbers that are none."""

import math

import pytest
import torch
from torch import nn

from fmlib.augment import Augmentation
from fmlib.checks import (
    FLOAT,
    LONG,
    as_mask,
    check_likeliest,
    check_number,
    check_tensors,
    check_whole_numbers,
)
from fmlib.evaluate import knn_predict
from fmlib.llm.adaptation.instructions import pad_examples
from fmlib.llm.family.bert import Bert, BertConfig
from fmlib.llm.family.t5 import START, T5, T5Config, Writer
from fmlib.llm.generation.beam import beam_search
from fmlib.llm.generation.decode import generate, pad_left, stream
from fmlib.llm.generation.sampling import Sampling, min_p_filter, top_k_filter, top_p_filter
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.measure import nats_per_token
from fmlib.llm.gpt.model import GPT
from fmlib.llm.pretraining.training import surprise_of_text
from fmlib.llm.tokens.characters import ByteTokenizer
from fmlib.llm.tokens.measure import bigram_nats, unigram_nats
from fmlib.nn.attention import Attention, attention
from fmlib.nn.resnet import ResNetConfig
from fmlib.self_supervised.contrastive.moco import MoCoConfig, info_nce
from fmlib.self_supervised.contrastive.simclr import SimCLRConfig, nt_xent

FULL = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])  # a mask as tokenizers give it


def tokens(*shape, below=60):
    return torch.randint(1, below, shape, generator=torch.Generator().manual_seed(0))


def diverged():
    model = GPT(GPTConfig.tiny(60)).eval()
    nn.init.constant_(model.norm.weight, math.nan)
    return model


# ---- the checker itself


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ((("x", [1.0], FLOAT, "batch"),), "x is list: expected a tensor of floating-point numbers [batch]"),
        (
            (("tokens", torch.ones(2), LONG, "text"),),
            "tokens are torch.float32: expected a tensor of torch.long [text]",
        ),
        ((("x", torch.ones(2), FLOAT, "batch dim"),), "x has shape (2,): expected [batch, dim]"),
        (
            (("x", torch.ones(2, 0), FLOAT, "batch dim"),),
            "x has shape (2, 0): expected [batch, dim], not empty",
        ),
        ((("x", torch.ones(2, 3), FLOAT, "batch 4"),), "x has shape (2, 3): expected [batch, 4]"),
        ((("x", torch.ones(1, 2, 3), FLOAT, "... 4"),), "x has shape (1, 2, 3): expected [..., 4]"),
        (
            (("x", torch.ones(2, 3), FLOAT, "batch dim"), ("losses", torch.ones(4), FLOAT, "batch")),
            "losses have shape (4,): expected [batch], where batch is 2 as in x",
        ),
        (
            (("x", torch.ones(3), FLOAT, "batch"), ("y", torch.ones(2), FLOAT, "batch|1")),
            "y has shape (2,): expected [batch or 1], where batch is 3 as in x",
        ),
        (
            (("maps", torch.tensor([1.0, math.nan]), FLOAT, "n"),),
            "maps have 1 of 2 numbers that are nan or infinite",
        ),
    ],
)
def test_the_checker_names_what_came_and_what_was_expected(wanted, says):
    with pytest.raises((TypeError, ValueError)) as caught:
        check_tensors(*wanted, finite=True)
    assert str(caught.value).startswith(says)


def test_the_checker_lets_pass_what_fits():
    x = torch.ones(3, 2)
    check_tensors(
        ("x", x, FLOAT, "batch dim"), ("y", x[:1], FLOAT, "batch|1 dim"), ("z", x[None], FLOAT, "... 2")
    )
    check_tensors(("x", x[:0], FLOAT, "batch dim"), empty=True)


@pytest.mark.parametrize("bad", [math.nan, math.inf, "a", None, True, 10**400, -0.1, 1.1])
def test_a_number_that_is_none_or_out_of_range_is_named(bad):
    with pytest.raises(ValueError, match=r"share is .*: expected a number of at least 0 and at most 1"):
        check_number("share", bad, least=0, most=1)


@pytest.mark.parametrize("bad", ["a", b"ab", 3, (1.5,), ("a",), (True,), (-1,), torch.ones(2)])
def test_what_are_no_token_numbers_is_refused(bad):
    with pytest.raises(ValueError, match=r"stop (is|has) .*expected whole numbers from 0"):
        check_whole_numbers("stop", bad, 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_row_of_logits_without_a_likeliest_is_named(bad):
    logits = torch.zeros(3, 4)
    logits[1] = bad
    with pytest.raises(ValueError, match="top of row 1"):
        check_likeliest(logits)
    check_likeliest(torch.tensor([[0.0, -math.inf]]))


# ---- a model that has diverged does not look perfect


@pytest.mark.parametrize(
    "write",
    [
        lambda model: generate(model, tokens(1, 3), 2),
        lambda model: generate(model, tokens(1, 3), 2, Sampling(), generator=torch.Generator()),
        lambda model: generate(model, tokens(1, 3), 2, use_cache=False),
        lambda model: list(stream(model, tokens(2, 3), 2)),
        lambda model: beam_search(model, tokens(1, 3), 2, 2),
    ],
)
def test_no_generator_writes_with_a_diverged_model(write, refuses):
    with refuses(ValueError, "logits have nan .* Has the model diverged"):
        write(diverged())


@pytest.mark.parametrize(
    "measure",
    [
        lambda model: nats_per_token(model, tokens(60), 9),
        lambda model: surprise_of_text(model, tokens(60)),
    ],
)
def test_no_measure_judges_a_diverged_model(measure, refuses):
    with refuses(ValueError, "(loss is|nats have) .*(finite|nan)"):
        measure(diverged())


# ---- masks


def test_whole_numbers_are_a_mask_as_truth_values_are():
    for kind in (torch.bool, torch.long, torch.uint8, torch.int32):
        assert torch.equal(as_mask("mask", FULL.to(kind), "batch length"), FULL.bool())
    bert, t5 = Bert(BertConfig.tiny()).eval(), T5(T5Config.tiny()).eval()
    assert torch.equal(bert(tokens(2, 4), mask=FULL), bert(tokens(2, 4), mask=FULL.bool()))
    found = [t5(tokens(2, 4), tokens(2, 3), mask=mask) for mask in (FULL, FULL.bool())]
    assert torch.equal(*found)
    x, looks = torch.randn(2, 2, 4, 8), FULL[:, None, None]
    assert torch.equal(attention(x, x, x, looks), attention(x, x, x, looks.bool()))
    layer = Attention(16, 2, causal=True)
    assert torch.equal(
        layer(torch.ones(2, 4, 16), mask=looks), layer(torch.ones(2, 4, 16), mask=looks.bool())
    )


def test_a_mask_of_whole_numbers_generates_what_truth_values_generate():
    model, (prompts, mask) = GPT(GPTConfig.tiny(60)).eval(), pad_left([[1, 2], [3, 4, 5]])
    assert torch.equal(generate(model, prompts, 4, mask=mask.long()), generate(model, prompts, 4, mask=mask))


@pytest.mark.parametrize(
    ("mask", "error"), [(FULL.float(), TypeError), (FULL * 2, ValueError), (-FULL, ValueError)]
)
def test_any_other_mask_is_refused(mask, error, refuses):
    bert, t5, gpt = Bert(BertConfig.tiny()), T5(T5Config.tiny()), GPT(GPTConfig.tiny(60))
    context, x = torch.zeros(2, 4, 16), torch.zeros(2, 2, 4, 8)
    for call in (
        lambda: bert(tokens(2, 4), mask=mask),
        lambda: t5(tokens(2, 4), tokens(2, 3), mask=mask),
        lambda: t5.decode(tokens(2, 3), context, context_mask=mask),
        lambda: gpt(tokens(2, 4), mask=mask[:, None, None]),
    ):
        with refuses(error, "mask (is|has) .*expected"):
            call()
    if error is ValueError:  # floats are added there, as relative positions are
        with refuses(error, "mask has numbers from"):
            attention(x, x, x, mask[:, None, None])


# ---- a writer of several texts


@pytest.mark.parametrize("mask", [None, FULL])
def test_a_writer_of_several_texts_writes_each_row_after_its_own(mask):
    torch.manual_seed(0)
    model, texts = T5(T5Config.tiny()).eval(), tokens(2, 4)
    begun = torch.full((2, 1), START)
    alone = [Writer(model, texts[i : i + 1], None if mask is None else mask[i : i + 1]) for i in range(2)]
    both = Writer(model, texts, mask)
    for beams in (1, 2, 3):
        expected = torch.cat([beam_search(writer, begun[:1], beams, 5) for writer in alone])
        assert torch.equal(beam_search(both, begun, beams, 5), expected)
    expected = torch.cat([generate(writer, begun[:1], 5) for writer in alone])
    assert torch.equal(generate(both, begun, 5), expected)


def test_a_writer_refuses_another_number_of_rows_than_it_has_read(refuses):
    writer = Writer(T5(T5Config.tiny()).eval(), tokens(2, 4))
    for write in (generate, lambda model, begun, new: beam_search(model, begun, 2, new)):
        with refuses(ValueError, "tokens have 3 rows and the writer has read 2 texts"):
            write(writer, torch.full((3, 1), START), 2)


# ---- half precision


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_contrastive_losses_of_half_precision_are_those_of_the_same_numbers(dtype):
    rows = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    rows[0], rows[1] = 0, 40_000  # the second is longer than 65,504
    other = rows.flip(1).contiguous()
    for loss in (nt_xent, lambda a, b: info_nce(a, b, other)):
        half, full = rows.clone().requires_grad_(), rows.float().requires_grad_()
        found, expected = loss(half, other), loss(full, other.float())
        assert torch.equal(found, expected)
        found.backward()
        assert half.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_filters_keep_of_half_precision_what_they_keep_of_the_same_numbers(dtype):
    logits = (2 * torch.randn(4, 3000, generator=torch.Generator().manual_seed(0))).to(dtype)
    nothing = torch.zeros(4, 1, dtype=torch.long)
    for keep in (
        lambda x: top_p_filter(x, 0.95),
        lambda x: min_p_filter(x, 0.03),
        lambda x: top_k_filter(x, 50),
        lambda x: Sampling(0.7, top_p=0.95, min_p=0.01, repetition_penalty=1.2).filter(x, nothing),
    ):
        assert torch.equal(keep(logits).isfinite(), keep(logits.float()).isfinite())


def test_neighbors_vote_at_any_temperature():
    train = torch.nn.functional.normalize(
        torch.randn(200, 8, generator=torch.Generator().manual_seed(0)), dim=1
    )
    labels = torch.arange(200) % 7
    for temperature in (1e-3, 5e-3, 0.07):
        assert torch.equal(
            knn_predict(train, labels, train, k=20, temperature=min(temperature, 5e-3)), labels
        )
        exact = knn_predict(train.double(), labels, train.double(), k=20, temperature=temperature)
        assert torch.equal(knn_predict(train, labels, train, k=20, temperature=temperature), exact)


# ---- numbers that were accepted silently


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Augmentation(gray=math.nan), "gray is nan"),
        (lambda: Augmentation(flip=1.5), "flip is 1.5"),
        (lambda: Augmentation(gamma=math.nan), "gamma is nan"),
        (lambda: Augmentation(blur=0.5, blur_sigma=0.0), "blur_sigma is 0.0"),
        (lambda: MoCoConfig(queue_size=1.5), "queue_size is 1.5"),
        (lambda: MoCoConfig(momentum=math.nan), "momentum is nan"),
        (lambda: SimCLRConfig(hidden_dim=2.5), "hidden_dim is 2.5"),
        (lambda: SimCLRConfig(temperature=math.inf), "temperature is inf"),
        (lambda: ResNetConfig(widths=(8, 1.5)), "widths have 1.5"),
        (lambda: GPTConfig(60, layers=True), "layers is True"),
        (lambda: GPTConfig(60, dropout="a"), "dropout is 'a'"),
        (lambda: pad_left([[1.5, 2]]), "rows have 1.5"),
        (lambda: pad_left([[-1]]), "rows have -1"),
        (lambda: pad_examples([([1], [2.5])]), "examples have 2.5"),
        (lambda: ByteTokenizer().decode([1.0]), "ids are .*expected whole numbers"),
        (lambda: generate(GPT(GPTConfig.tiny()), tokens(1, 2), 2, stop="a"), "stop is 'a'"),
        (
            lambda: beam_search(GPT(GPTConfig.tiny()), tokens(1, 2), 2, 2, length_penalty=math.nan),
            "length_penalty is nan",
        ),
        (lambda: surprise_of_text(GPT(GPTConfig.tiny()), tokens(9), batch_size=-1), "batch_size is -1"),
    ],
)
def test_what_cannot_be_is_refused(make, says, refuses):
    with refuses(ValueError, says):
        make()


def test_negative_tokens_do_not_count_from_the_end(refuses):
    text, wrong = tokens(9, below=5).numpy(), torch.tensor([0, -1]).numpy()
    for nats in (unigram_nats, bigram_nats):
        with refuses(ValueError, "held_out goes from -1 to 0: expected 0 to 4"):
            nats(text, wrong, 5)
        with refuses(ValueError, "train goes from -1"):
            nats(wrong, text, 5)
        with refuses(TypeError, "held_out is float64"):
            nats(text, text.astype(float), 5)
