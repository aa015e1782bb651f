"""A published layout becomes our vision transformer, with equal features; the same goes for ViT and its gradients."""

import json

import pytest
import torch

from fmlib.nn.vit import ViT, ViTConfig
from fmlib.pretrained import CheckpointError, Rename, build_model, convert, read_tensors
from fmlib.self_supervised.without_negatives.dinov2 import DINOV2_TABLE, load_dinov2, read_dinov2

EXACT = {"rtol": 0, "atol": 1e-10}


def published(folder, **more):
    """A tiny random DINOv2 in the published layout, and the model that wrote it."""
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28}
    theirs = Dinov2Model(Dinov2Config(**sizes, patch_size=14, layerscale_value=0.7, **more)).eval()
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(
                0.1 * torch.randn_like(p)
            )  # no norm or scale at its start, where an exchange would not show
    theirs.save_pretrained(folder)
    return theirs.double()


@pytest.mark.parametrize("size", [(28, 28), (42, 56)])
def test_a_published_dinov2_gives_equal_features_and_gradients(tmp_path, size):
    theirs, ours = published(tmp_path), load_dinov2(tmp_path).double()
    inputs = [torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)]
    inputs.append(inputs[0].clone())
    for x in inputs:
        x.requires_grad_()
    tokens, expected = ours.tokens(inputs[0]), theirs(inputs[1]).last_hidden_state
    # Their positions of another grid are interpolated in float32.
    close = EXACT if size == (28, 28) else {"rtol": 0, "atol": 1e-5}
    assert torch.allclose(tokens, expected, **close)
    assert torch.allclose(ours(inputs[0]), expected[:, 0], **close)
    a = torch.autograd.grad(tokens[:, 0].sin().sum(), inputs[0])[0]
    b = torch.autograd.grad(expected[:, 0].sin().sum(), inputs[1])[0]
    assert torch.allclose(a, b, **close)


def test_gradients_of_all_weights_are_those_of_the_reference(tmp_path):
    theirs, ours = published(tmp_path), load_dinov2(tmp_path).double()
    images = torch.rand(2, 3, 28, 28, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours(images).square().sum().backward()
    theirs(images).last_hidden_state[:, 0].square().sum().backward()
    layer = theirs.encoder.layer[0]
    block = ours.blocks[0]
    for a, b in (
        (block.attention.key.weight, layer.attention.k_proj.weight),
        (block.attention.gain, layer.layer_scale1.lambda1),
        (block.mlp.contract.weight, layer.mlp.fc2.weight),
        (ours.class_token, theirs.embeddings.cls_token),
    ):
        assert torch.allclose(a.grad.flatten(), b.grad.flatten(), **EXACT)


def test_a_missing_tensor_is_named(tmp_path):
    from safetensors.torch import load_file, save_file

    published(tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    del tensors["encoder.layer.1.layer_scale2.lambda1"]
    save_file(tensors, file)
    with pytest.raises(CheckpointError, match=r"blocks\.1\.mlp\.gain"):
        load_dinov2(tmp_path)


def test_settings_that_our_model_does_not_have_are_refused(tmp_path):
    published(tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"use_swiglu_ffn": True}))
    with pytest.raises(CheckpointError, match="use_swiglu_ffn"):
        read_dinov2(tmp_path)
    file.write_text(json.dumps(config | {"model_type": "vit"}))
    with pytest.raises(CheckpointError, match="'vit'"):
        read_dinov2(tmp_path)


NAMES = {  # of the published ViT, where they differ from DINOv2's
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}


def vit_table():
    rows = []
    for row in DINOV2_TABLE:
        theirs = row.theirs
        for old, new in NAMES.items():
            theirs = theirs.replace(f".{old}.", f".{new}.")
        rows.append(Rename(theirs, row.ours, row.transform))
    return rows


def test_the_vision_transformer_without_layer_scale_equals_vit(tmp_path):
    from transformers import ViTConfig as TheirConfig
    from transformers import ViTModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    theirs = ViTModel(TheirConfig(**sizes, image_size=16, patch_size=8), add_pooling_layer=False).eval()
    theirs.save_pretrained(tmp_path)
    config = ViTConfig(
        image_size=16, patch_size=8, channels=3, layers=2, heads=2, dim=16, hidden_dim=24, eps=1e-12
    )
    ours = build_model(tmp_path, ViT, config, convert(read_tensors(tmp_path), vit_table())).double()
    theirs.double()
    inputs = [torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)]
    inputs.append(inputs[0].clone())
    found, expected = (
        ours.tokens(inputs[0].requires_grad_()),
        theirs(inputs[1].requires_grad_()).last_hidden_state,
    )
    assert torch.allclose(found, expected, **EXACT)
    a = torch.autograd.grad(found[:, 0].sin().sum(), inputs[0])[0]
    b = torch.autograd.grad(expected[:, 0].sin().sum(), inputs[1])[0]
    assert torch.allclose(a, b, **EXACT)
