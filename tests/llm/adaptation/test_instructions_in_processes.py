"""Answers of very different lengths: tuning in two processes, or in micro-batches, must be tuning on the whole batch."""

import pytest
import torch
from two_processes import in_two_processes

from fmlib.data import Instruction
from fmlib.llm.adaptation.instructions import add_special_tokens, tune_on_instructions
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.pretraining.training import make_gpt
from fmlib.llm.tokens.tokenizer import BPETokenizer

TEXT = "Say something in one line, beginning with It. Ask a question. Exclaim! What is it? It is he! " * 20
TASKS = [Instruction("question", 1, None, "What is it? " * (1 + i % 8)) for i in range(16)]


def tune(batch_size=16, replay=False, **more):
    base = BPETokenizer.train(TEXT, 280)
    model, tokenizer = add_special_tokens(make_gpt(GPTConfig(280, 80, 1, 2, 16), 0), base)
    old = torch.tensor(tokenizer.encode(TEXT)) if replay else None
    options = {"steps": 4, "rate": 0.05, "optimizer": lambda p: torch.optim.SGD(p, lr=0.05)}
    history = tune_on_instructions(
        model,
        tokenizer,
        TASKS,
        batch_size=batch_size,
        replay=old,
        progress=False,
        device="cpu",
        **options,
        **more,
    )
    return torch.cat([p.detach().flatten() for p in model.parameters()]), torch.tensor(history.loss)


def test_micro_batches_tune_as_the_whole_batch_does():
    weights, losses = tune()
    found, told = tune(batch_size=4, accumulate=4)
    torch.testing.assert_close(found, weights, rtol=0, atol=2e-6)
    torch.testing.assert_close(told, losses, rtol=1e-5, atol=0)


def work(rank):
    plain, mixed, small = tune(), tune(replay=True), tune(batch_size=4, accumulate=4)
    return {
        "plain": plain[0],
        "mixed": mixed[0],
        "small": small[0],
        "losses": plain[1],
        "mixed losses": mixed[1],
    }


@pytest.mark.slow
def test_two_processes_tune_as_one_does(tmp_path):
    (plain, losses), (mixed, mixed_losses) = tune(), tune(replay=True)
    expected = {
        "plain": plain,
        "mixed": mixed,
        "small": plain,
        "losses": losses,
        "mixed losses": mixed_losses,
    }
    for found in in_two_processes(work, tmp_path):
        for name, value in expected.items():
            torch.testing.assert_close(
                found[name], value, rtol=1e-5, atol=2e-6, msg=lambda m, name=name: f"{name}: {m}"
            )
