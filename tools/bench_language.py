"""The language models' sides of tools/bench.py: our GPT against transformers' GPT-2 with the same weights."""

import tempfile

import torch

from fmlib.llm.generation.decode import generate
from fmlib.llm.gpt.model import load_gpt2
from fmlib.llm.gpt.next_token import next_token_loss

# those of the GPT that the lesson on pretraining trains, and that the lessons behind it write with
SIZES = {"vocab_size": 4096, "n_positions": 256, "n_embd": 128, "n_layer": 4, "n_head": 4}
BATCH = (8, 256)


def both(activation: str = "gelu_new"):
    """Our GPT and transformers', made from one checkpoint.

    `gelu_new` is GPT-2's activation as transformers computes it by default; `gelu_pytorch_tanh` is the same function in
    torch's own, faster code.
    """
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    plain = {
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "bos_token_id": 0,
        "eos_token_id": None,
    }
    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(GPT2Config(**SIZES, **plain))
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        ours = load_gpt2(folder)
        theirs = GPT2LMHeadModel.from_pretrained(folder, activation_function=activation)
    return ours, theirs


def train_step_sides(activation: str = "gelu_new"):
    ours, theirs = both(activation)
    ours.train(), theirs.train()
    tokens = torch.randint(SIZES["vocab_size"], BATCH, generator=torch.Generator().manual_seed(0))
    optimizers = [torch.optim.AdamW(model.parameters(), lr=1e-4) for model in (ours, theirs)]

    def step(loss, optimizer):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def agree():
        torch.testing.assert_close(
            next_token_loss(ours(tokens), tokens), theirs(tokens, labels=tokens).loss, rtol=0, atol=1e-4
        )

    return (
        lambda: step(next_token_loss(ours(tokens), tokens, overwrite=True), optimizers[0]),
        lambda: step(theirs(tokens, labels=tokens).loss, optimizers[1]),
        agree,
    )


def same_activation_sides():
    return train_step_sides("gelu_pytorch_tanh")


def generate_sides():
    ours, theirs = (model.eval() for model in both("gelu_pytorch_tanh"))
    prompt = torch.randint(SIZES["vocab_size"], (1, 8), generator=torch.Generator().manual_seed(0))

    def mine():
        return generate(ours, prompt, 128)

    def other():
        return theirs.generate(prompt, max_new_tokens=128, do_sample=False, pad_token_id=0)

    def agree():
        assert torch.equal(mine(), other()), "the texts differ"

    return mine, other, agree
