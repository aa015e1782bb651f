"""Published BERTs with what their pretraining added; the rest is `fmlib.llm.family.bert_checkpoint`'s."""

import os
import re
from typing import Any

from torch import Tensor

from fmlib.llm.family.bert_checkpoint import read_bert
from fmlib.pretrained import Rename, convert, find_checkpoint, read_tensors

PRETRAINING_TABLE = (
    Rename("pooler.dense.weight", "pooler.weight"),
    Rename("pooler.dense.bias", "pooler.bias"),
    Rename("cls.seq_relationship.weight", "next_sentence.weight"),
    Rename("cls.seq_relationship.bias", "next_sentence.bias"),
)


def read_bert_pretraining(source: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Sizes and weights under our names; `fmlib.self_supervised.masked.bert.load_bert_pretraining` makes the model.

    Args:
        source: a checkpoint folder, or a name on the Hugging Face hub.

    Returns:
        Arguments for `BertConfig`; our names -> tensors.

    Raises:
        CheckpointError: not found, not whole, or not a BERT as Google's.
    """
    folder = find_checkpoint(source)
    sizes, tensors = read_bert(folder)
    added = {
        name.removeprefix("bert."): tensor
        for name, tensor in read_tensors(folder).items()
        if re.match(r"(bert\.)?pooler\.|cls\.seq_relationship\.", name)
    }
    return sizes, {f"bert.{name}": tensor for name, tensor in tensors.items()} | convert(
        added, PRETRAINING_TABLE
    )
