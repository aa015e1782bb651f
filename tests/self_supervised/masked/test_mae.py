"""The masked autoencoder against transformers: painting, mask, loss, gradients, published layout; and by itself."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import EXACT, our_model, their_model

from fmlib.nn.vit import ViTConfig, patchify
from fmlib.pretrained import CheckpointError, convert
from fmlib.self_supervised.masked.hiding import pick, restore_order, split_patches
from fmlib.self_supervised.masked.mae import MAE, MAEConfig, load_mae
from fmlib.self_supervised.masked.mae_checkpoint import MAE_TABLE
from fmlib.self_supervised.masked.targets import as_pixels, mae_loss, patch_targets

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
PUBLISHED = {  # what transformers 5 calls a block's parts -> what the published file calls them
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
    "vit.layers": "vit.encoder.layer",
}
FIXED = {"encoder.position_embedding", "decoder_positions"}


def pictures(batch=2):
    return torch.rand(batch, 3, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def noise(batch=2, patches=16):
    return torch.rand(batch, patches, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


# ---- against transformers


@pytest.fixture(scope="module", params=[False, True], ids=["pixels", "normalized"])
def pair(request, tmp_path_factory):
    """A tiny autoencoder with random weights, saved by transformers, and ours loaded from that."""
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    folder = tmp_path_factory.mktemp("mae")
    config = ViTMAEConfig(**SIZES, norm_pix_loss=request.param)
    theirs = their_model(lambda: ViTMAEForPreTraining(config), folder)
    return load_mae(folder).double(), theirs, folder


def our_loss(model):
    painted, hidden = model(pictures(), noise())
    target = patch_targets(pictures(), model.config.encoder.patch_size, model.config.normalize)
    return mae_loss(painted, target, hidden)


def test_painting_and_mask_equal_transformers(pair):
    ours, theirs, _ = pair
    with torch.no_grad():
        expected = theirs(pictures(), noise=noise())
        painted, hidden = ours(pictures(), noise())
    assert torch.allclose(painted, expected.logits, **EXACT)
    assert torch.equal(hidden, expected.mask.bool())
    assert hidden.sum(dim=1).tolist() == [12, 12]


def test_loss_and_every_gradient_equal_transformers(pair):
    ours, theirs, _ = pair
    ours.zero_grad()
    theirs.zero_grad()
    loss, expected = our_loss(ours), theirs(pictures(), noise=noise()).loss
    assert torch.allclose(loss, expected, **EXACT)
    loss.backward()
    expected.backward()
    gradients = {}
    for name, parameter in theirs.named_parameters():
        for new, old in PUBLISHED.items():
            name = name.replace(new, old)
        if parameter.grad is not None:
            gradients[name] = parameter.grad
    expected, mine = convert(gradients, MAE_TABLE), dict(ours.named_parameters())
    assert set(mine) == set(expected) | FIXED
    for name, gradient in expected.items():
        assert torch.allclose(mine[name].grad, gradient, **EXACT), name


def test_the_names_of_the_published_file_load_too(pair, tmp_path):
    from safetensors.torch import load_file, save_file

    ours, _, folder = pair
    tensors = load_file(folder / "model.safetensors")
    published = {name.replace("decoder_encoder.layer", "decoder_layers"): t for name, t in tensors.items()}
    save_file(published, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    painted, _ = load_mae(tmp_path).double()(pictures(), noise())
    assert torch.equal(painted, ours(pictures(), noise())[0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hidden_act": "relu"}, "hidden_act = 'relu'"),
        ({"qkv_bias": False}, "qkv_bias = False"),
        ({"model_type": "vit"}, "of a 'vit' model: expected 'vit_mae'"),
        ({"num_hidden_layers": 3}, "missing encoder.blocks.2"),
        ({"decoder_num_attention_heads": 3}, "dim is 16 and heads is 3"),
        ({"mask_ratio": 1.0}, "mask_ratio is 1.0"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(pair, tmp_path, change, says, refuses):
    folder = pair[2]
    config = json.loads((folder / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with refuses(CheckpointError, says):
        load_mae(tmp_path)


def test_an_encoder_without_its_decoder_is_refused(pair, tmp_path, refuses):
    from safetensors.torch import load_file, save_file

    folder = pair[2]
    tensors = load_file(folder / "model.safetensors")
    save_file(
        {name: t for name, t in tensors.items() if name.startswith("vit.")}, tmp_path / "model.safetensors"
    )
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with refuses(CheckpointError, "has no decoder"):
        load_mae(tmp_path)


def test_the_published_size_has_as_many_parameters_as_transformers():
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    with torch.device("meta"):
        ours, theirs = MAE(MAEConfig.base16()), ViTMAEForPreTraining(ViTMAEConfig())
    ours, theirs = ([tuple(p.shape) for p in m.parameters()] for m in (ours, theirs))
    assert sum(map(torch.Size.numel, map(torch.Size, ours))) == sum(
        map(torch.Size.numel, map(torch.Size, theirs))
    )


# ---- hiding and putting back


@settings(max_examples=40)
@given(batch=st.integers(1, 4), patches=st.integers(1, 20), data=st.data())
def test_what_is_split_comes_back_in_its_place(batch, patches, data):
    keep = data.draw(st.integers(1, patches))
    draws = torch.rand(batch, patches, generator=torch.Generator().manual_seed(patches))
    values = torch.rand(batch, patches, 3)
    visible, hidden, restore = split_patches(draws, keep)
    blank = torch.full((3,), -1.0)
    back = restore_order(pick(values, visible), blank, restore)
    assert torch.equal(back, torch.where(hidden[..., None], blank, values))
    assert (hidden.sum(dim=1) == patches - keep).all()


def test_the_lowest_noise_stays():
    visible, hidden, restore = split_patches(torch.tensor([[0.4, 0.1, 0.9, 0.2]]), 2)
    assert visible.tolist() == [[1, 3]]
    assert hidden.tolist() == [[True, False, True, False]]
    assert restore.tolist() == [[2, 0, 3, 1]]


def test_every_patch_is_hidden_equally_often():
    draws = torch.rand(4000, 16, generator=torch.Generator().manual_seed(3))
    _, hidden, _ = split_patches(draws, 4)
    assert (hidden.float().mean(dim=0) - 0.75).abs().max() < 0.03


# ---- targets and loss


def test_normalized_patches_have_mean_0_and_variance_1_and_pixels_stay_pixels():
    target = patch_targets(pictures(), 4, normalize=True)
    assert torch.allclose(target.mean(dim=2), torch.zeros(2, 16, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(target.var(dim=2), torch.ones(2, 16, dtype=torch.float64), atol=1e-4)
    assert torch.equal(patch_targets(pictures(), 4), patchify(pictures(), 4))


def test_an_empty_patch_has_targets_0_and_no_nan():
    assert patch_targets(torch.full((1, 1, 4, 4), 0.3), 2, normalize=True).abs().max() < 1e-3


@pytest.mark.parametrize("normalize", [False, True])
def test_painting_the_targets_gives_the_picture_back(normalize):
    painted = patch_targets(pictures(), 4, normalize)
    assert torch.allclose(as_pixels(painted, pictures(), 4, normalize), pictures(), **EXACT)


def test_what_is_painted_where_nothing_was_hidden_is_not_judged():
    painted = torch.rand(2, 4, 6, requires_grad=True)
    target, hidden = (
        torch.rand(2, 4, 6),
        torch.tensor([[True, False, False, True], [False, True, False, False]]),
    )
    loss = mae_loss(painted, target, hidden)
    loss.backward()
    assert torch.allclose(loss, (painted - target)[hidden].square().mean())
    assert (painted.grad[~hidden] == 0).all()
    assert (painted.grad[hidden] != 0).all()


# ---- the model


def tiny(seed=0, **more):
    return our_model(lambda: MAE(MAEConfig.tiny()), seed)


def test_a_hidden_patch_changes_nothing_that_is_painted():
    model, images, draws = (
        tiny(),
        torch.rand(1, 3, 8, 8).double(),
        torch.tensor([[0.1, 0.2, 0.3, 0.4]]).double(),
    )
    painted, hidden = model(images, draws, keep=2)
    assert hidden.tolist() == [[False, False, True, True]]
    other = images.clone()
    other[:, :, 4:] = torch.rand(1, 3, 4, 8).double()  # the lower half: patches 2 and 3
    assert torch.equal(model(other, draws, keep=2)[0], painted)
    other[:, :, :4] += 0.1
    assert not torch.allclose(model(other, draws, keep=2)[0], painted)


def test_the_encoder_reads_the_class_token_and_the_visible_patches_only():
    model, seen = tiny(), []
    model.encoder.blocks[0].register_forward_hook(lambda part, given, made: seen.append(given[0].shape))
    model(torch.rand(3, 3, 8, 8).double(), torch.rand(3, 4).double())
    assert seen == [(3, 1 + 1, 16)]


def test_the_same_noise_in_another_order_of_pictures_paints_the_same():
    model, images, draws = tiny(), torch.rand(3, 3, 8, 8).double(), torch.rand(3, 4).double()
    there = model(images, draws, keep=2)[0]
    back = model(images.flip(0), draws.flip(0), keep=2)[0]
    assert torch.allclose(back.flip(0), there, **EXACT)


def test_the_model_learns_to_paint():
    torch.manual_seed(0)
    model = MAE(
        MAEConfig(
            ViTConfig(image_size=8, layers=1, heads=2, dim=16, sines=True), decoder_heads=2, decoder_dim=16
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(80):  # every picture is of one gray: any patch tells all
        images = torch.rand(32, 1, 1, 1).expand(32, 1, 8, 8).contiguous()
        painted, hidden = model(images, torch.rand(32, 4))
        loss = mae_loss(painted, patch_targets(images, 4), hidden)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.1 * sum(losses[:10])


# ---- what is refused


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"mask_ratio": 1.0}, "mask_ratio is 1.0: expected a number of at least 0 and below 1"),
        ({"decoder_layers": 0}, "decoder_layers is 0"),
        ({"decoder_dim": 10, "decoder_heads": 4}, "dim is 10 and heads is 4"),
    ],
)
def test_the_configuration_refuses_what_cannot_be(bad, says, refuses):
    with refuses(ValueError, says):
        MAEConfig(**bad)


def test_what_cannot_be_painted_is_refused(refuses):
    model = tiny()
    with refuses(ValueError, r"images have shape \(1, 3, 12, 12\): expected \[batch, 3, 8, 8\]"):
        model(torch.rand(1, 3, 12, 12), torch.rand(1, 4))
    with refuses(ValueError, r"noise has shape \(2, 4\): expected .*, where batch is 1 as in images"):
        model(torch.rand(1, 3, 8, 8), torch.rand(2, 4))
    with refuses(ValueError, "keep is 5: expected a whole number from 1 to 4"):
        model(torch.rand(1, 3, 8, 8), torch.rand(1, 4), keep=5)
    with refuses(ValueError, "hidden is False everywhere"):
        mae_loss(torch.rand(1, 4, 2), torch.rand(1, 4, 2), torch.zeros(1, 4, dtype=torch.bool))
    with refuses(ValueError, "seen has 5 patches and restore 4"):
        restore_order(torch.rand(1, 5, 2), torch.zeros(2), torch.arange(4)[None])
    with refuses(ValueError, "one number in each patch"):
        patch_targets(torch.rand(1, 1, 2, 2), 1, normalize=True)
