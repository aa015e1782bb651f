"""Published BERTs: what their tensors are called, and which of their settings our model has."""

import os
from typing import Any

import torch
from torch import Tensor

from fmlib.pretrained import (
    CheckpointError,
    Rename,
    convert,
    find_checkpoint,
    read_config,
    read_tensors,
    same_dropout,
    weight_and_bias,
)

_LAYER = "encoder.layer.{i}"
BERT_TABLE = (
    Rename("embeddings.word_embeddings.weight", "token_embedding.weight"),
    Rename("embeddings.position_embeddings.weight", "position_embedding.weight"),
    Rename("embeddings.token_type_embeddings.weight", "type_embedding.weight"),
    *weight_and_bias("embeddings.LayerNorm", "embedding_norm"),
    *weight_and_bias(f"{_LAYER}.attention.self.query", "blocks.{i}.attention.query"),
    *weight_and_bias(f"{_LAYER}.attention.self.key", "blocks.{i}.attention.key"),
    *weight_and_bias(f"{_LAYER}.attention.self.value", "blocks.{i}.attention.value"),
    *weight_and_bias(f"{_LAYER}.attention.output.dense", "blocks.{i}.attention.output"),
    *weight_and_bias(f"{_LAYER}.attention.output.LayerNorm", "blocks.{i}.attention_norm"),
    *weight_and_bias(f"{_LAYER}.intermediate.dense", "blocks.{i}.mlp.expand"),
    *weight_and_bias(f"{_LAYER}.output.dense", "blocks.{i}.mlp.contract"),
    *weight_and_bias(f"{_LAYER}.output.LayerNorm", "blocks.{i}.mlp_norm"),
    *weight_and_bias("cls.predictions.transform.dense", "head.dense"),
    *weight_and_bias("cls.predictions.transform.LayerNorm", "head.norm"),
    Rename("cls.predictions.bias", "head.bias"),
)
# Parts for other tasks, stored positions, and a second name of head.bias.
UNUSED = (
    r"pooler\..*",
    r"cls\.seq_relationship\..*",
    r"embeddings\.position_ids",
    r"cls\.predictions\.decoder\.bias",
)
SIZES = {  # ours -> theirs
    "vocab_size": "vocab_size",
    "max_length": "max_position_embeddings",
    "types": "type_vocab_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "dim": "hidden_size",
    "hidden_dim": "intermediate_size",
}
SETTINGS = {
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "tie_word_embeddings": True,
}


def read_bert(source: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Sizes and weights of a BERT under our names; `fmlib.llm.family.bert.load_bert` makes the model.

    Args:
        source: a checkpoint folder, or a name on the Hugging Face hub.

    Returns:
        Arguments for `BertConfig`; our names -> tensors.

    Raises:
        CheckpointError: not found, not whole, or not a BERT as Google's.
    """
    folder = find_checkpoint(source)
    found = read_config(folder, "bert", needed=tuple(SIZES.values()), settings=SETTINGS)
    dropout = same_dropout(folder, found, "hidden_dropout_prob", "attention_probs_dropout_prob")
    sizes = {ours: found[theirs] for ours, theirs in SIZES.items()} | {"dropout": dropout}

    tensors = {_modern(name): t for name, t in read_tensors(folder).items()}
    head = tensors.pop("cls.predictions.decoder.weight", None)
    if head is not None and not torch.equal(head, tensors.get("embeddings.word_embeddings.weight", head)):
        raise CheckpointError(f"{folder} has an output matrix of its own: expected that of the embedding")
    return sizes, convert(tensors, BERT_TABLE, ignored=UNUSED)


def _modern(name: str) -> str:
    """The first files speak of gamma and beta, as TensorFlow does."""
    name = name.removeprefix("bert.")
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
