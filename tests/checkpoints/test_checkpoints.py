import json
import shutil

import pytest
import torch
from build_checkpoints import BUILDERS
from safetensors.torch import save

from fmlib import checkpoints
from fmlib.checkpoints import card, load_shakespeare_gpt
from fmlib.data import DataError, load_shakespeare
from fmlib.llm.pretraining.training import text_bits_per_character

NAME = "shakespeare_gpt"


@pytest.fixture
def spoilable(tmp_path, monkeypatch):
    """A copy of all checkpoints, which the loaders read during the test."""
    copy = tmp_path / "files"
    shutil.copytree(checkpoints.FILES, copy)
    monkeypatch.setattr(checkpoints, "FILES", copy)
    checkpoints.read.cache_clear()
    yield copy
    checkpoints.read.cache_clear()


def test_each_embedded_checkpoint_has_a_builder_and_each_builder_a_checkpoint():
    assert {f"{name}.safetensors" for name in BUILDERS} == {
        p.name for p in checkpoints.FILES.glob("*.safetensors")
    }


def test_the_gpt_knows_shakespeare_as_well_as_its_card_says():
    model, tokenizer = load_shakespeare_gpt()
    text = load_shakespeare("validation").text[:30_000]
    told = card(NAME).results["bits per character, validation plays"]
    assert text_bits_per_character(model, tokenizer, text) == pytest.approx(told, abs=0.15)
    assert told < 2.6


def test_every_load_gives_a_model_of_its_own():
    first, _ = load_shakespeare_gpt()
    with torch.no_grad():
        first.token_embedding.weight.zero_()
    second, _ = load_shakespeare_gpt()
    assert second.token_embedding.weight.abs().sum() > 0
    assert not second.training


def test_the_card_says_data_numbers_and_license():
    told = card(NAME)
    assert told.recipe["steps"] > 0
    assert told.recipe["scale"] != "smoke"
    assert "CC0" in told.license
    assert "Shakespeare" in repr(told)


def test_a_corrupt_checkpoint_is_refused_by_name(spoilable):
    path = spoilable / f"{NAME}.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"shakespeare_gpt\.safetensors"):
        load_shakespeare_gpt()


def test_a_missing_checkpoint_is_refused_by_name(spoilable):
    (spoilable / f"{NAME}.safetensors").unlink()
    with pytest.raises(DataError, match="missing"):
        load_shakespeare_gpt()


def test_a_file_of_another_format_is_refused(spoilable):
    from build_manifest import write_manifest

    (spoilable / "other.safetensors").write_bytes(save({"x": torch.zeros(1)}, metadata={"format": "theirs"}))
    write_manifest(spoilable)
    with pytest.raises(DataError, match="'theirs'"):
        checkpoints.read("other")


def test_an_unknown_name_is_refused():
    with pytest.raises(DataError, match="no_such_model"):
        checkpoints.read("no_such_model")


def test_weights_are_stored_in_half_precision():
    content = (checkpoints.FILES / f"{NAME}.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"F16"}
