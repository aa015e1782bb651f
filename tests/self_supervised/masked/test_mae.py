"""The masked autoencoder against transformers: reconstruction, mask, loss, gradients, published layout."""

import pytest
import torch
from oracle import EXACT, same_gradients, their_model

from fmlib.nn.vit import patchify
from fmlib.self_supervised.masked.mae import (
    MAE,
    MAEConfig,
    load_mae,
    mae_loss,
    patch_targets,
    split_patches,
)
from fmlib.self_supervised.masked.mae_checkpoint import MAE_TABLE

SIZES = {
    "image_size": 16,
    "patch_size": 4,
    "num_channels": 3,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "decoder_hidden_size": 16,
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 32,
}


def pictures(batch=2):
    return torch.rand(batch, 3, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def noise(batch=2, patches=16):
    return torch.rand(batch, patches, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture(scope="module", params=[False, True], ids=["pixels", "normalized"])
def pair(request, tmp_path_factory):
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    folder = tmp_path_factory.mktemp("mae")
    config = ViTMAEConfig(**SIZES, norm_pix_loss=request.param)
    theirs = their_model(lambda: ViTMAEForPreTraining(config), folder)
    return load_mae(folder).double(), theirs


def test_reconstruction_and_mask_equal_transformers(pair):
    ours, theirs = pair
    with torch.no_grad():
        expected = theirs(pictures(), noise=noise())
        painted, hidden = ours(pictures(), noise())
    assert torch.allclose(painted, expected.logits, **EXACT)
    assert torch.equal(hidden, expected.mask.bool())


def test_loss_and_every_gradient_equal_transformers(pair):
    ours, theirs = pair
    config = ours.config
    painted, hidden = ours(pictures(), noise())
    target = patch_targets(pictures(), config.encoder.patch_size, config.normalize)
    loss = mae_loss(painted, target, hidden)
    expected = theirs(pictures(), noise=noise()).loss
    assert torch.allclose(loss, expected, **EXACT)
    loss.backward()
    expected.backward()
    assert {name for name, p in ours.named_parameters() if p.grad is None} == {
        "encoder.position_embedding",
        "decoder_positions",
    }
