"""The masked autoencoder: hide three quarters of a picture, read the rest, and paint what is missing.

Source: He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners".
"""

import os
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from fmlib.checks import FLOAT, check_heads, check_number, check_sizes, check_tensors
from fmlib.nn.attention import Attention
from fmlib.nn.transformer import MLP, Block
from fmlib.nn.vit import ViT, ViTConfig, sine_positions
from fmlib.pretrained import build_model, checked_config
from fmlib.self_supervised.masked.hiding import pick, restore_order, split_patches
from fmlib.self_supervised.masked.mae_checkpoint import read_mae


@dataclass(frozen=True)
class MAEConfig:
    """Sizes of a masked autoencoder.

    Args:
        encoder: of the vision transformer that reads what is visible.
        decoder_layers, decoder_heads, decoder_dim: of the lighter one that paints.
        decoder_hidden_dim: of its MLP; 4 · decoder_dim by default.
        mask_ratio: share of the patches that is hidden, in [0, 1); at least one patch stays.
        normalize: targets are normalized patch by patch.

    Raises:
        ValueError: sizes that cannot be, or a share outside [0, 1).
    """

    encoder: ViTConfig = field(default_factory=lambda: ViTConfig(sines=True))
    decoder_layers: int = 1
    decoder_heads: int = 4
    decoder_dim: int = 64
    decoder_hidden_dim: int | None = None
    mask_ratio: float = 0.75
    normalize: bool = False

    def __post_init__(self) -> None:
        if self.decoder_hidden_dim is None and isinstance(self.decoder_dim, int):
            object.__setattr__(self, "decoder_hidden_dim", 4 * self.decoder_dim)
        check_sizes(self, "decoder_layers", "decoder_heads", "decoder_dim", "decoder_hidden_dim")
        check_heads(self.decoder_dim, self.decoder_heads)
        check_number("mask_ratio", self.mask_ratio, least=0, below=1)

    @property
    def keep(self) -> int:
        """How many patches are visible."""
        return max(1, int(self.encoder.grid**2 * (1 - self.mask_ratio)))

    @classmethod
    def tiny(cls) -> "MAEConfig":
        """For tests: milliseconds."""
        return cls(encoder=replace(ViTConfig.tiny(), sines=True), decoder_heads=2, decoder_dim=8)

    @classmethod
    def base16(cls) -> "MAEConfig":
        """Of ViT-B/16 (He et al. 2022, section 4; the decoder of table 1)."""
        return cls(
            encoder=replace(ViTConfig.base16(), sines=True),
            decoder_layers=8,
            decoder_heads=16,
            decoder_dim=512,
            normalize=True,
        )


class MAE(nn.Module):
    """An encoder that sees only the visible patches, and a light decoder that paints all of them.

    Args:
        config: the sizes.
    """

    def __init__(self, config: MAEConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MAEConfig()
        vit, dim = config.encoder, config.decoder_dim
        norm = partial(nn.LayerNorm, dim, eps=vit.eps)
        self.encoder = ViT(vit)
        self.narrow = nn.Linear(vit.dim, dim)
        self.mask_token = nn.Parameter(torch.zeros(dim))
        positions = torch.cat([torch.zeros(1, dim), sine_positions(vit.grid, dim)])
        self.decoder_positions = nn.Parameter(positions, requires_grad=False)
        self.decoder = nn.ModuleList(
            Block(Attention(dim, config.decoder_heads), MLP(dim, config.decoder_hidden_dim), norm)
            for _ in range(config.decoder_layers)
        )
        self.decoder_norm = norm()
        self.paint = nn.Linear(dim, vit.patch_dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As the encoder's: see `ViT.reset_parameters`. The paper's code draws its matrices by Xavier's rule."""
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        for part in (self.narrow, self.decoder, self.paint):
            for layer in part.modules():
                if isinstance(layer, nn.Linear):
                    nn.init.trunc_normal_(layer.weight, std=0.02)
                    nn.init.zeros_(layer.bias)

    def forward(
        self,
        images: Float[Tensor, "batch channels height width"],
        noise: Float[Tensor, "batch patches"],
        keep: int | None = None,
    ) -> tuple[Float[Tensor, "batch patches patch_dim"], Bool[Tensor, "batch patches"]]:
        """Hide patches, read the rest, paint all.

        Args:
            images: of the size that the encoder is for.
            noise: one random number for each patch; those with the lowest stay visible.
            keep: how many stay; `config.keep` by default.

        Returns:
            What is painted for each patch, and True where it was hidden.

        Raises:
            TypeError: not tensors of floats.
            ValueError: pictures of another size, noise that does not fit them, or keep out of range.
        """
        vit = self.config.encoder
        sized = ("images", images, FLOAT, f"batch {vit.channels} {vit.image_size} {vit.image_size}")
        check_tensors(sized, ("noise", noise, FLOAT, f"batch {vit.grid**2}"))
        visible, hidden, restore = split_patches(noise, self.config.keep if keep is None else keep)
        tokens = self.encoder.read(pick(self.encoder.embed(images), visible))  # [batch, 1 + keep, dim]
        return self.decode(tokens, restore), hidden

    def decode(
        self, tokens: Float[Tensor, "batch tokens dim"], restore: Int64[Tensor, "batch patches"]
    ) -> Float[Tensor, "batch patches patch_dim"]:
        """Paint every patch from what the encoder says of the visible ones.

        Args:
            tokens: the class token's features, then those of the visible patches in shuffled order.
            restore: see `split_patches`.
        """
        x = self.narrow(tokens)
        x = torch.cat([x[:, :1], restore_order(x[:, 1:], self.mask_token, restore)], dim=1)
        x = x + self.decoder_positions
        for block in self.decoder:
            x = block(x)
        return self.paint(self.decoder_norm(x))[:, 1:]  # without the class token


def load_mae(source: str | os.PathLike = "facebook/vit-mae-base") -> MAE:
    """The published masked autoencoder in our code.

    Args:
        source: a checkpoint folder, or a name on the Hugging Face hub.

    Returns:
        The model in evaluation mode, in float32.

    Raises:
        CheckpointError: not found, not whole, no masked autoencoder with its decoder, or tensors that do not fit.
    """
    sizes, tensors = read_mae(source)
    sizes["encoder"] = checked_config(source, ViTConfig, sizes["encoder"])
    return build_model(source, MAE, checked_config(source, MAEConfig, sizes), tensors)
