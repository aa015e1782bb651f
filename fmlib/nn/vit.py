"""The vision transformer: a picture is cut into patches, and they are read as a text is, by the same block."""

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.checks import FLOAT, check_dropout, check_heads, check_sizes, check_tensors, check_whole
from fmlib.nn.attention import Attention
from fmlib.nn.transformer import MLP, Block


@dataclass(frozen=True)
class ViTConfig:
    """Sizes of a vision transformer.

    Args:
        image_size: pixels along a side of the (square) pictures.
        patch_size: pixels along a side of a patch; it divides image_size.
        channels: of the pictures.
        layers, heads, dim: blocks, attention heads in each, features of the residual stream.
        hidden_dim: of the MLP; 4 · dim by default.
        sines: positions are fixed sines and cosines (MAE) in place of learned vectors.
        layer_scale: each part's output is multiplied by a learned number for each feature, which starts at this value
            (DINOv2); None: it is not.
        eps: of the norms; published models differ in it.
        dropout: of embeddings, attention weights and each part's output, in training.

    Raises:
        ValueError: a size that is no positive whole number, a patch that does not divide the picture, heads that do not
            divide dim, or a dropout outside [0, 1).
    """

    image_size: int = 28
    patch_size: int = 4
    channels: int = 1
    layers: int = 4
    heads: int = 4
    dim: int = 128
    hidden_dim: int | None = None
    sines: bool = False
    layer_scale: float | None = None
    eps: float = 1e-6
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.hidden_dim is None and isinstance(self.dim, int):
            object.__setattr__(self, "hidden_dim", 4 * self.dim)
        check_sizes(self, "image_size", "patch_size", "channels", "layers", "heads", "dim", "hidden_dim")
        if self.image_size % self.patch_size:
            raise ValueError(
                f"image_size is {self.image_size} and patch_size is {self.patch_size}: expected one that divides the other"
            )
        check_heads(self.dim, self.heads)
        check_dropout(self.dropout)

    @property
    def grid(self) -> int:
        """Patches along a side."""
        return self.image_size // self.patch_size

    @property
    def patch_dim(self) -> int:
        """Numbers in a patch."""
        return self.patch_size**2 * self.channels

    @classmethod
    def tiny(cls) -> "ViTConfig":
        """For tests: milliseconds."""
        return cls(image_size=8, patch_size=4, channels=3, layers=2, heads=2, dim=16)

    @classmethod
    def base16(cls) -> "ViTConfig":
        """ViT-B/16, 86 million parameters (Dosovitskiy et al. 2021, table 1)."""
        return cls(image_size=224, patch_size=16, channels=3, layers=12, heads=12, dim=768)


def patchify(
    images: Float[Tensor, "batch channels height width"], patch_size: int
) -> Float[Tensor, "batch patches patch_dim"]:
    """Cut pictures into square patches, row by row.

    Args:
        images: height and width are multiples of patch_size.
        patch_size: pixels along a side of a patch.

    Returns:
        [batch, patches, patch_size² · channels]; in each patch pixel by pixel, the channels of a pixel side by side.

    Raises:
        TypeError: not a tensor of floats.
        ValueError: no batch of pictures, or patches do not cover them.
    """
    check_tensors(("images", images, FLOAT, "batch channels height width"))
    check_whole("patch_size", patch_size)
    height, width = images.shape[-2:]
    if height % patch_size or width % patch_size:
        raise ValueError(
            f"images are {height} x {width} pixels: expected multiples of the patch size, {patch_size}"
        )
    cut = images.unflatten(3, (-1, patch_size)).unflatten(2, (-1, patch_size))  # [b, c, rows, p, columns, p]
    return cut.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def unpatchify(
    patches: Float[Tensor, "batch patches patch_dim"], patch_size: int, channels: int
) -> Float[Tensor, "batch channels height width"]:
    """Put the patches of square pictures together: the opposite of `patchify`.

    Raises:
        TypeError: not a tensor of floats.
        ValueError: patches of another size, or their number is no square.
    """
    check_whole("patch_size", patch_size)
    check_whole("channels", channels)
    check_tensors(("patches", patches, FLOAT, f"batch patches {patch_size**2 * channels}"))
    grid = round(patches.shape[1] ** 0.5)
    if grid**2 != patches.shape[1]:
        raise ValueError(
            f"there are {patches.shape[1]} patches: expected a square number, of a square picture"
        )
    cut = patches.unflatten(2, (patch_size, patch_size, channels)).unflatten(1, (grid, grid))
    return cut.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


def sine_positions(grid: int, dim: int) -> Float[Tensor, "patches dim"]:
    """Fixed vectors that say where a patch stands: sines and cosines of its column, then of its row.

    Args:
        grid: patches along a side.
        dim: features, a multiple of 4.

    Raises:
        ValueError: dim is no multiple of 4.

    Source: Vaswani et al. 2017, section 3.5, for two axes as in He et al. 2022 (MAE), its released code.
    """
    check_whole("grid", grid)
    check_whole("dim", dim)
    if dim % 4:
        raise ValueError(f"dim is {dim}: expected a multiple of 4, for sines and cosines of two axes")
    quarter = dim // 4
    rates = 10_000 ** -(torch.arange(quarter, dtype=torch.float64) / quarter)
    places = torch.arange(grid, dtype=torch.float64)
    angles = places[:, None] * rates  # [grid, quarter]
    along = torch.cat([angles.sin(), angles.cos()], dim=1)
    columns, rows = along.expand(grid, -1, -1), along[:, None].expand(-1, grid, -1)
    return torch.cat([columns, rows], dim=2).flatten(0, 1).float()


class ScaledAttention(Attention):
    """Attention whose output is multiplied by a learned number for each feature (LayerScale).

    Args:
        dim, heads, dropout: as of `Attention`.
        start: of the numbers.

    Source: Touvron et al. 2021, "Going deeper with Image Transformers", eq. 4.
    """

    def __init__(self, dim: int, heads: int, start: float, dropout: float = 0.0) -> None:
        super().__init__(dim, heads, dropout=dropout)
        self.gain = nn.Parameter(torch.full((dim,), float(start)))

    def forward(self, *args, **options) -> Tensor:
        return super().forward(*args, **options) * self.gain


class ScaledMLP(MLP):
    """An MLP whose output is multiplied by a learned number for each feature; see `ScaledAttention`."""

    def __init__(self, dim: int, hidden_dim: int, start: float) -> None:
        super().__init__(dim, hidden_dim)
        self.gain = nn.Parameter(torch.full((dim,), float(start)))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.gain


class ViT(nn.Module):
    """Pictures in, one feature vector each out: what the class token has gathered.

    Args:
        config: the sizes.

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", section 3.1.
    """

    def __init__(self, config: ViTConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ViTConfig()
        norm = partial(nn.LayerNorm, config.dim, eps=config.eps)
        self.patch_embedding = nn.Linear(config.patch_dim, config.dim)
        self.class_token = nn.Parameter(torch.zeros(config.dim))
        positions = torch.zeros(1 + config.grid**2, config.dim)  # the class token's first
        self.position_embedding = nn.Parameter(positions, requires_grad=not config.sines)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(
                *_parts(config),
                norm,
                dropout=config.dropout,
            )
            for _ in range(config.layers)
        )
        self.norm = norm()
        self.feature_dim = config.dim
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Small random weights of standard deviation 0.02, no biases, norms that change nothing.

        Source: Caron et al. 2021 (DINO), its released code.
        """
        for name, weight in self.named_parameters():
            if weight.ndim == 2 or name == "class_token":
                nn.init.trunc_normal_(weight, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)
            elif not name.endswith("gain"):
                nn.init.ones_(weight)
        if self.config.sines:
            with torch.no_grad():
                self.position_embedding[0] = 0
                self.position_embedding[1:] = sine_positions(self.config.grid, self.config.dim)

    def embed(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch patches dim"]:
        """The patches of each picture as vectors that know where they stand.

        Args:
            images: [batch, channels, height, width], of any size that patches cover.
        """
        check_tensors(("images", images, FLOAT, f"batch {self.config.channels} height width"))
        size = self.config.patch_size
        patches = self.patch_embedding(patchify(images, size))
        rows, columns = images.shape[2] // size, images.shape[3] // size
        return self.dropout(patches + self.positions(rows, columns))

    def positions(self, rows: int, columns: int) -> Float[Tensor, "patches dim"]:
        """The vectors of the patches' positions; for another grid than the model's own they are interpolated.

        Source: Dosovitskiy et al. 2021, section 3.2; bicubic as in Caron et al. 2021, their released code.
        """
        table, grid = self.position_embedding[1:], self.config.grid
        if (rows, columns) == (grid, grid):
            return table
        plane = table.T.unflatten(1, (grid, grid))[None]  # [1, dim, grid, grid]
        return F.interpolate(plane, (rows, columns), mode="bicubic", align_corners=False)[0].flatten(1).T

    def read(self, patches: Float[Tensor, "batch some dim"]) -> Float[Tensor, "batch tokens dim"]:
        """All blocks, on the patches that are there and a class token in front of them.

        Args:
            patches: from `embed`, all of them or only some.
        """
        token = self.class_token + self.position_embedding[0]
        x = torch.cat([token.expand(len(patches), 1, -1), patches], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def tokens(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """What is known in the end about the whole picture (first) and about each patch, row by row."""
        return self.read(self.embed(images))

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch dim"]:
        """The class token's features of each picture.

        Args:
            images: [batch, channels, height, width].

        Raises:
            TypeError: not a tensor of floats.
            ValueError: other channels, or patches do not cover the pictures.
        """
        return self.tokens(images)[:, 0]


def _parts(config: ViTConfig) -> tuple[Attention, MLP]:
    """What a block is made of."""
    if config.layer_scale is None:
        return Attention(config.dim, config.heads, dropout=config.dropout), MLP(config.dim, config.hidden_dim)
    start = config.layer_scale
    attention = ScaledAttention(config.dim, config.heads, start, dropout=config.dropout)
    return attention, ScaledMLP(config.dim, config.hidden_dim, start)
