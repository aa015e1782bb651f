"""What BERT's pretraining adds to BERT: a second question, about two pieces of text, and a head that answers it.

The model itself is that of the lesson on the family, `fmlib.llm.family.bert`: blocks that look both ways, and a head that
says which token belongs where one is hidden.
"""

import os

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Integer
from torch import Tensor, nn

from fmlib.checks import BOOL, FLOAT, LONG, check_range, check_tensors, check_whole
from fmlib.llm.family.bert import Bert, BertConfig
from fmlib.llm.gpt.cross_entropy import mean_cross_entropy
from fmlib.pretrained import build_model, checked_config
from fmlib.self_supervised.masked.bert_checkpoint import read_bert_pretraining


class BertPretraining(nn.Module):
    """BERT with both of its heads: which token is hidden, and does the second segment follow the first?

    Args:
        config: sizes of the BERT.

    Source: Devlin et al. 2019, "BERT", section 3.1; the pooler is their released code's.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = Bert(config)
        self.pooler = nn.Linear(config.dim, config.dim)
        self.next_sentence = nn.Linear(config.dim, 2)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As BERT's own: see `Bert.reset_parameters`."""
        for layer in (self.pooler, self.next_sentence):
            nn.init.trunc_normal_(layer.weight, std=0.02, a=-0.04, b=0.04)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        tokens: Int64[Tensor, "batch length"],
        *,
        mask: Bool[Tensor, "batch length"] | Integer[Tensor, "batch length"] | None = None,
        types: Int64[Tensor, "batch length"] | None = None,
        asked: Bool[Tensor, "batch length"] | None = None,
    ) -> tuple[Float[Tensor, "*positions vocab"], Float[Tensor, "batch 2"]]:
        """Both answers about each row.

        Args:
            tokens: [CLS] first [SEP] second [SEP], see `fmlib.self_supervised.masked.pairs.join_pairs`.
            mask, types: as in `Bert.forward`.
            asked: True where logits are wanted; everywhere by default. The largest matrix of the model, the one that ends in
                the vocabulary, then works on one position in seven.

        Returns:
            Logits of the token that belongs to each position, [batch, length, vocab], or with `asked` one row for each True,
            in reading order; and logits of "the second segment follows" (0) and "it comes from elsewhere" (1).

        Raises:
            TypeError, ValueError: see `Bert.forward`; an `asked` that is no torch.bool of the tokens' shape.
        """
        hidden = self.bert.hidden(tokens, mask=mask, types=types)
        relation = self.next_sentence(self.pooler(hidden[:, 0]).tanh())
        if asked is not None:
            check_tensors(("tokens", tokens, LONG, "batch length"), ("asked", asked, BOOL, "batch length"))
            hidden = hidden[asked]
        return self.bert.logits(hidden), relation


def pretraining_loss(
    logits: Float[Tensor, "asked vocab"],
    targets: Int64[Tensor, "asked"],
    relation: Float[Tensor, "batch 2"],
    labels: Int64[Tensor, "batch"],
) -> Float[Tensor, ""]:
    """BERT's two losses, added: a mean over the asked tokens and a mean over the pairs.

    Args:
        logits, targets: of the asked tokens, and of no others.
        relation: logits about the segments.
        labels: 0 where the second segment follows the first, 1 where it comes from elsewhere.

    Returns:
        Nats.

    Raises:
        TypeError, ValueError: tensors of other types, shapes that do not fit; on a CPU also targets or labels that no logit
            stands for.

    Source: Devlin et al. 2019, "BERT", appendix A.2.
    """
    check_tensors(
        ("logits", logits, FLOAT, "asked vocab"),
        ("targets", targets, LONG, "asked"),
        ("relation", relation, FLOAT, "batch 2"),
        ("labels", labels, LONG, "batch"),
    )
    check_range("targets", targets, 0, logits.shape[1] - 1)
    check_range("labels", labels, 0, 1)
    return mean_cross_entropy(logits, targets) + F.cross_entropy(relation, labels)


@torch.no_grad()
def pseudo_surprise(
    model: nn.Module, tokens: Int64[Tensor, "length"], mask_token: int
) -> Float[Tensor, "length"]:
    """How surprising each token is to a model that reads both ways: hide it alone, and ask for it.

    The exponential of the mean is the text's pseudo-perplexity. It belongs to no probability of the text, since every token
    is guessed with all others in view.

    Args:
        model: from tokens [batch, length] to logits [batch, length, vocab], e.g. `Bert`; in the mode in which it came.
        tokens: one text.
        mask_token: id of the mask token.

    Returns:
        -log p of each token in nats, from one pass over as many copies of the text as it has tokens.

    Raises:
        TypeError, ValueError: no row of torch.long tokens, or a mask_token that is no whole number from 0.

    Source: Salazar et al. 2020, "Masked Language Model Scoring", section 2.1.
    """
    check_tensors(("tokens", tokens, LONG, "length"))
    check_whole("mask_token", mask_token, least=0)
    hidden = torch.eye(len(tokens), dtype=torch.bool, device=tokens.device)
    logits = model(tokens.expand(len(tokens), -1).masked_fill(hidden, mask_token))
    return F.cross_entropy(logits[hidden], tokens, reduction="none")


def load_bert_pretraining(source: str | os.PathLike = "google-bert/bert-base-uncased") -> BertPretraining:
    """The published BERT with both of its heads in our code.

    Args:
        source: a checkpoint folder, or a name on the Hugging Face hub.

    Returns:
        The model in evaluation mode, in float32.

    Raises:
        CheckpointError: not found, not whole, not a BERT with both heads, or tensors that do not fit.
    """
    sizes, tensors = read_bert_pretraining(source)
    return build_model(source, BertPretraining, checked_config(source, BertConfig, sizes), tensors)
