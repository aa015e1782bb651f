"""Train the embedded checkpoints anew: python tools/build_checkpoints.py [name ...]

Each run can be stopped and started again; it goes on from runs/checkpoints. Seeds are fixed, but numbers differ in the last
digits between processors.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from build_manifest import write_manifest
from safetensors.torch import save

from fmlib import checkpoints, scale
from fmlib._files import atomic_write_bytes
from fmlib.data import load_shakespeare
from fmlib.llm.gpt.config import parameter_count
from fmlib.llm.pretraining.training import Recipe, shakespeare_tokens, text_bits_per_character, train_gpt
from fmlib.llm.tokens.saving import tokenizer_to_json

WORK = Path("runs/checkpoints")


def shakespeare_gpt() -> None:
    """The GPT that the lessons on generation and adaptation start from."""
    text = load_shakespeare("train").text
    tokenizer, tokens = shakespeare_tokens()
    recipe = Recipe.shakespeare(tokenizer.vocab_size)
    model, history = train_gpt(
        tokens,
        recipe,
        checkpoint=WORK / "shakespeare_gpt.safetensors",
        resume=True,
    )
    model = model.cpu().half().float()  # what is stored is what is measured
    bits = {
        f"bits per character, {split} plays": text_bits_per_character(
            model, tokenizer, load_shakespeare(split).text
        )
        for split in ("validation", "test")
    }
    card = checkpoints.Card(
        name="shakespeare_gpt",
        model=f"GPT of {parameter_count(model):,} parameters, {recipe.model.layers} blocks of {recipe.model.dim} features",
        data=f"32 plays of Shakespeare, {len(text):,} characters, {recipe.tokens / len(tokens):.1f} epochs",
        recipe={**asdict(recipe), "seed": 0, "scale": scale.name(), "device": scale.device_name()},
        results={**bits, "training loss at the end (nats per token)": sum(history.loss[-50:]) / 50},
        license="CC0-1.0: the weights are free to use; the plays are in the public domain",
    )
    parts = {"config": asdict(recipe.model), "tokenizer": tokenizer_to_json(tokenizer), "card": asdict(card)}
    tensors = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    content = save(tensors, metadata={"format": checkpoints.FORMAT, "parts": json.dumps(parts)})
    atomic_write_bytes(checkpoints.FILES / "shakespeare_gpt.safetensors", content)


BUILDERS = {"shakespeare_gpt": shakespeare_gpt}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *BUILDERS], help="only these; all by default")
    for name in parser.parse_args().names or BUILDERS:
        BUILDERS[name]()
        write_manifest(checkpoints.FILES)
        checkpoints.read.cache_clear()
        print(checkpoints.card(name))
