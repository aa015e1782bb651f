import json
import time

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fmlib.pretrained import (
    CheckpointError,
    Rename,
    convert,
    find_checkpoint,
    load_tensors,
    read_config,
    read_tensors,
    transposed,
)

TABLE = (
    Rename("emb.w", "embedding.weight"),
    Rename("h.{i}.w", "blocks.{i}.weight", transposed),
    Rename("h.{i}.kv", ("blocks.{i}.key", "blocks.{i}.value"), lambda w: w.chunk(2)),
)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def unchanged(model, before):
    return all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# ---- names


def test_names_and_layouts_are_turned_into_ours():
    theirs = {"emb.w": torch.rand(3, 2), "h.11.w": torch.rand(4, 5), "h.0.kv": torch.rand(6, 2)}
    ours = convert(theirs, TABLE)
    assert set(ours) == {"embedding.weight", "blocks.11.weight", "blocks.0.key", "blocks.0.value"}
    assert torch.equal(ours["blocks.11.weight"], theirs["h.11.w"].T)
    assert torch.equal(ours["blocks.0.value"], theirs["h.0.kv"][3:])


def test_unknown_names_are_told_and_ignored_ones_are_not():
    theirs = {"emb.w": torch.rand(1), "h.0.mask": torch.rand(1), "extra.a": torch.rand(1)}
    with pytest.raises(CheckpointError, match=r"model does not: extra\.a$"):
        convert(theirs, TABLE, ignored=(r"h\.\d+\.mask",))


def test_a_dot_in_a_name_is_a_dot():
    with pytest.raises(CheckpointError, match="embXw"):
        convert({"embXw": torch.rand(1)}, TABLE)


def test_many_unknown_names_are_counted():
    with pytest.raises(CheckpointError, match=r"x0, x1, x10.* and 4 more"):
        convert({f"x{i}": torch.rand(1) for i in range(12)}, TABLE)


def test_a_tensor_that_cannot_be_cut_is_named():
    with pytest.raises(CheckpointError, match=r"h\.0\.kv \(1, 2\) gives 1 tensors: expected 2"):
        convert({"h.0.kv": torch.rand(1, 2)}, TABLE)


# ---- into the model


def test_loading_names_everything_that_is_wrong_and_changes_nothing():
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    before = weights(model)
    tensors = {name: value + 1 for name, value in before.items()}
    del tensors["0.bias"]
    tensors["2.weight"], tensors["0.weight"] = torch.zeros(1), torch.zeros(2, 3)
    with pytest.raises(CheckpointError) as caught:
        load_tensors(model, tensors)
    said = str(caught.value)
    assert "missing 0.bias" in said
    assert "unexpected 2.weight" in said
    assert "0.weight is (2, 3), expected (3, 2)" in said
    assert unchanged(model, before)


def test_loading_copies_into_the_models_own_type():
    model = nn.Linear(2, 3).double()
    tensors = {"weight": torch.rand(3, 2), "bias": torch.rand(3)}
    load_tensors(model, tensors)
    assert model.weight.dtype == torch.float64
    assert torch.equal(model.weight.float(), tensors["weight"])


# ---- files


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "toy", "size": 3}))
    save_file({"a": torch.arange(4.0), "ids": torch.arange(3)}, tmp_path / "model.safetensors")
    return tmp_path


def test_a_folder_is_read(folder):
    assert find_checkpoint(folder) == folder
    assert find_checkpoint(str(folder)) == folder
    assert read_config(folder, "toy")["size"] == 3
    assert torch.equal(read_tensors(folder)["a"], torch.arange(4.0))


def test_half_precision_is_widened_and_whole_numbers_stay(folder):
    save_file({"b": torch.arange(4).to(torch.bfloat16)}, folder / "more.safetensors")
    tensors = read_tensors(folder)
    assert (tensors["b"].dtype, tensors["ids"].dtype) == (torch.float32, torch.int64)
    assert read_tensors(folder, torch.float64)["a"].dtype == torch.float64


def test_the_index_says_which_files_belong_to_the_checkpoint(folder):
    save_file({"a": torch.zeros(1)}, folder / "other.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors"}}))
    assert len(read_tensors(folder)["a"]) == 4
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}))
    with pytest.raises(CheckpointError, match=r"lacks model-2\.safetensors, which model\.safetensors\.index"):
        read_tensors(folder)
    index.write_text("[]")
    with pytest.raises(CheckpointError, match="is no index of a checkpoint"):
        read_tensors(folder)


def test_a_tensor_in_two_files_is_refused(folder):
    save_file({"a": torch.zeros(1)}, folder / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"other\.safetensors has a, as an earlier file"):
        read_tensors(folder)


@pytest.mark.parametrize("keep", [0, 3, 60, -4])
def test_a_corrupt_file_is_named(folder, keep):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is not a whole safetensors file"):
        read_tensors(folder)


def test_pickled_weights_are_not_read(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"has no \.safetensors file"):
        read_tensors(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("\udcff", "cannot be read"),
        ("[]", "of a None model: expected 'toy'"),
        ('{"model_type": "bert"}', "of a 'bert' model: expected 'toy'"),
        ('{"model_type": "toy"}', "does not say size"),
        ('{"model_type": "toy", "size": 1, "act": "relu"}', "act = 'relu', .* expected 'gelu'"),
    ],
)
def test_a_config_that_is_not_as_expected_is_refused(tmp_path, text, says):
    if text is not None:
        (tmp_path / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match=says):
        read_config(tmp_path, "toy", needed=["size"], settings={"act": "gelu"})


def test_a_setting_may_be_left_out(folder):
    assert read_config(folder, "toy", settings={"act": "gelu"})["size"] == 3


# ---- the hub


@pytest.mark.parametrize("source", ["no/such/folder", "nothing here", "file.txt"])
def test_what_is_no_folder_and_no_name_is_refused(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(CheckpointError, match="is no folder, and no name of a repository"):
        find_checkpoint(source)


def test_without_the_hub_the_error_comes_quickly_and_says_what_to_do(monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    start = time.perf_counter()
    with pytest.raises(CheckpointError, match="download it elsewhere and pass its folder"):
        find_checkpoint("openai-community/not-in-the-cache")
    assert time.perf_counter() - start < 10


def test_what_the_hub_gives_is_used(monkeypatch, folder):
    asked = []

    def download(name, allow_patterns):
        asked.append((name, allow_patterns))
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert find_checkpoint("owner/name") == folder
    assert asked[0][0] == "owner/name"
    assert not any("bin" in pattern for pattern in asked[0][1])  # pickles stay where they are
