"""The family at one budget: GPT, LLaMA, BERT and T5 of the same size read the same plays, each for its own task.

What is equal: tokens (letters, as in the lesson on the transformer), pieces of text and their order, steps, and, within a
tenth, parameters. What is not, and is what the lesson is about: who may look where, and how many of the letters that
are read are asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fmlib import scale
from fmlib.llm.family.bert import Bert, BertConfig
from fmlib.llm.family.llama import Llama, LlamaConfig
from fmlib.llm.family.masking import mask_tokens
from fmlib.llm.family.span_corruption import span_corruption
from fmlib.llm.family.t5 import T5, shift_right
from fmlib.llm.family.t5_config import T5Config
from fmlib.llm.family.targets import target_loss
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.experiments import Letters, load_letters
from fmlib.llm.gpt.model import GPT
from fmlib.llm.gpt.next_token import next_token_loss
from fmlib.training.batches import TextBatches
from fmlib.training.fit import fit
from fmlib.training.history import History
from fmlib.training.optimizers import muon

Kind = Literal["gpt", "llama", "bert", "t5"]
KINDS: tuple[Kind, ...] = ("gpt", "llama", "bert", "t5")
SPECIAL = 24  # tokens that no play contains: the mask, the start, and sentinels
RATES = {"gpt": 5e-3, "llama": 5e-3, "bert": 5e-3, "t5": 5e-3}


@dataclass(frozen=True)
class Recipe:
    """What the four runs share.

    Args:
        letters: how many tokens stand for text; the special ones come behind them.
        layers: blocks of GPT, LLaMA and BERT; T5 has half of them in its encoder and half in its decoder.
        heads, dim, max_length: of all models. They are trained on pieces of max_length tokens.
        steps, batch_size: every model reads the same steps · batch_size pieces.
        rates: kind -> highest learning rate.
        weight_decay, betas: of the optimizer, see `fmlib.training.optimizers.muon`.

    Raises:
        ValueError: layers that cannot be halved.
    """

    letters: int
    layers: int = 4
    heads: int = 4
    dim: int = 64
    max_length: int = 32
    steps: int = 2500
    batch_size: int = 16
    rates: Mapping[str, float] = field(default_factory=lambda: dict(RATES))
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)

    def __post_init__(self) -> None:
        if self.layers < 2 or self.layers % 2:
            raise ValueError(
                f"layers is {self.layers}: expected an even number, half for T5's encoder, half for its decoder"
            )

    @property
    def vocab_size(self) -> int:
        """Of all models: letters, the mask, the start token, and sentinels, which count down from the last."""
        return self.letters + SPECIAL

    @property
    def mask_token(self) -> int:
        """What BERT reads in a blank's place: the first token behind the letters."""
        return self.letters

    @property
    def start_token(self) -> int:
        """What T5's decoder reads first: the second token behind the letters."""
        return self.letters + 1

    @property
    def first_sentinel(self) -> int:
        """What T5 reads in the first span's place: the last token; the next spans count down."""
        return self.vocab_size - 1

    @property
    def tokens(self) -> int:
        """How many tokens of the plays each model reads."""
        return self.steps * self.batch_size * self.max_length

    @classmethod
    def main(cls) -> "Recipe":
        """The lesson's runs, at the scale in force."""
        letters = load_letters().tokenizer.vocab_size
        return scale.pick(
            smoke=cls(letters, layers=2, heads=2, dim=16, max_length=32, steps=6, batch_size=4),
            cpu=cls(letters),
            gpu=cls(
                letters,
                layers=6,
                heads=6,
                dim=192,
                max_length=128,
                steps=1200,
                batch_size=64,
                rates=_slower(3),
            ),
        )

    @classmethod
    def short(cls) -> "Recipe":
        """A shorter run, to compare what one change does."""
        main = cls.main()
        return replace(main, steps=scale.pick(smoke=main.steps, cpu=1000, gpu=500))


def _slower(times: float) -> dict[str, float]:
    return {kind: rate / times for kind, rate in RATES.items()}


def make_model(kind: Kind, recipe: Recipe, seed: int) -> nn.Module:
    """A member of the family, with the weights of a seed.

    All have about 12 · layers · dim² weights in their blocks. LLaMA's gate and its shared keys are made up for by the MLP's
    width, as in Llama 2's own comparison; T5's cross-attention by a narrower MLP. GPT comes without biases, so that what
    LLaMA changes are the parts that the lesson names.

    Args:
        kind: "gpt", "llama", "bert" or "t5".
        recipe: the sizes.
        seed: of the weights.

    Raises:
        ValueError: an unknown kind.

    Source: Touvron et al. 2023, "Llama 2", appendix A.2.1, for the width that makes up for shared keys.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}: expected one of {', '.join(KINDS)}")
    dim, half = recipe.dim, recipe.layers // 2
    sizes = {"max_length": recipe.max_length, "heads": recipe.heads, "dim": dim}
    all_layers = sizes | {"layers": recipe.layers}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "gpt":
            return GPT(GPTConfig(recipe.vocab_size, bias=False, **all_layers))
        if kind == "llama":
            shared = {"key_heads": recipe.heads // 2, "hidden_dim": 3 * dim, "tied": True}
            return Llama(LlamaConfig(recipe.vocab_size, **all_layers, **shared))
        if kind == "bert":
            return Bert(BertConfig(recipe.vocab_size, types=1, **all_layers))
        return T5(
            T5Config(recipe.vocab_size, layers=half, hidden_dim=2 * dim, gated=True, tied=False, **sizes)
        )


def make_loss(kind: str, recipe: Recipe) -> Callable[[nn.Module, Tensor, torch.Generator], Tensor]:
    """What a model of this kind is asked about a batch of pieces [batch, max_length + 1], as `fit` wants it.

    GPT and LLaMA: every next token; the last token of a piece is only ever an answer. BERT: 15 % of the tokens, most of
    them hidden. T5: 15 % of the tokens, in spans of 3 on average. The other two read the same max_length tokens.

    Args:
        kind: "bert" or "t5"; any other predicts the next token.
        recipe: where the special tokens are.
    """

    def next_token(model: nn.Module, pieces: Tensor, generator: torch.Generator) -> Tensor:
        return next_token_loss(model(pieces[:, :-1]), pieces, overwrite=True)

    def blanks(model: nn.Module, pieces: Tensor, generator: torch.Generator) -> Tensor:
        read, targets = mask_tokens(
            pieces[:, :-1].cpu(), recipe.mask_token, recipe.vocab_size, generator=generator
        )
        return target_loss(model(read.to(pieces.device)), targets.to(pieces.device))

    def spans(model: nn.Module, pieces: Tensor, generator: torch.Generator) -> Tensor:
        read, told = span_corruption(pieces[:, :-1], recipe.first_sentinel, generator=generator)
        return target_loss(model(read, shift_right(told, recipe.start_token)), told)

    return {"bert": blanks, "t5": spans}.get(kind, next_token)


def make_batches(recipe: Recipe, plays: Letters, seed: int) -> TextBatches:
    """The pieces of each step: the same for every kind of model."""
    return TextBatches(plays.train, recipe.max_length + 1, recipe.batch_size, seed)


def train(
    model: nn.Module, kind: str, recipe: Recipe, plays: Letters, seed: int = 0, **options: Any
) -> History:
    """Train a model on the training plays, at the recipe's budget.

    Args:
        model: trained in place; comes back on the CPU and in evaluation mode.
        kind: which loss and which rate; see `make_loss`.
        recipe, plays: the numbers and the text.
        seed: of the batches and blanks.
        **options: passed to `fit`, e.g. `measure`.
    """
    history = fit(
        model,
        make_batches(recipe, plays, seed),
        make_loss(kind, recipe),
        steps=recipe.steps,
        rate=recipe.rates[kind],
        optimizer=muon(model, recipe.rates[kind], recipe.weight_decay, recipe.betas),
        seed=seed,
        **options,
    )
    model.cpu().eval()
    return history


def flops_per_step(kind: Kind, recipe: Recipe) -> int:
    """Floating-point operations of the matrix products in one step, forward and backward, counted as they happen.

    Args:
        kind: of the model.
        recipe: its sizes and the batch.

    Returns:
        Operations; attention's maps are counted whole, without the causal mask.
    """
    model = make_model(kind, recipe, seed=0)
    pieces = torch.randint(recipe.letters, (recipe.batch_size, recipe.max_length + 1))
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):  # the fused kernel isn't counted
        make_loss(kind, recipe)(model, pieces, torch.Generator().manual_seed(0)).backward()
    return counter.get_total_flops()
