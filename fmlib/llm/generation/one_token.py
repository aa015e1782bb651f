"""A GPT's step for one new token as straight-line code: the same weights and numbers, with less around them.

The step of a small model takes longer to organize than to compute: calls of modules, checks, three products where one would
do. Serving engines therefore fuse it; this is what that looks like in its plainest form.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.llm.gpt.model import GPT
from fmlib.nn.attention import Attention
from fmlib.nn.kv_cache import KVCache
from fmlib.nn.transformer import MLP, Block

LARGEST_DIM = 512  # beyond, computing takes over, and copying the matrices costs more than it saves
KNOWN = {GPT, Block, Attention, MLP, nn.ModuleList, nn.Embedding, nn.Linear, nn.LayerNorm, nn.Dropout}


class OneTokenStep:
    """What follows one more token in each row, given a cache of those before it.

    It copies weights, so make a new one after they have changed. Only for evaluation: there is no dropout.

    Args:
        model: one for which `can_be_fused`.

    Raises:
        ValueError: any other model.
    """

    def __init__(self, model: GPT) -> None:
        if not can_be_fused(model):
            raise ValueError(f"{type(model).__name__} is not a plain, small GPT: use `next_logits`")
        self.tokens, self.positions = model.token_embedding.weight, model.position_embedding.weight
        self.norm, self.to_logits = _of_norm(model.norm), _turned(self.tokens)
        self.blocks = [(*_of_attention(block), *_of_mlp(block)) for block in model.blocks]

    def __call__(self, tokens: Int64[Tensor, "batch"], cache: list[KVCache]) -> Float[Tensor, "batch vocab"]:
        """Logits after these tokens, which stand behind what the cache has seen.

        Args:
            tokens: the newest of each row; rows have no padding.
            cache: from `make_cache`.
        """
        x = F.embedding(tokens, self.tokens) + self.positions[cache[0].length]  # [batch, dim]
        for past, (norm1, split, scale, qkv, output, norm2, expand, activation, contract) in zip(
            cache, self.blocks, strict=True
        ):
            query, key, value = _linear(F.layer_norm(x, *norm1), *qkv).view(split).unbind(1)
            keys, values = past.append(key, value)
            gathered = F.scaled_dot_product_attention(query, keys, values, scale=scale)
            x = x + _linear(gathered.view(x.shape[0], -1), *output)
            x = x + _linear(activation(_linear(F.layer_norm(x, *norm2), *expand)), *contract)
        return F.layer_norm(x, *self.norm) @ self.to_logits


def can_be_fused(model: nn.Module) -> bool:
    """Whether a model is a small GPT of plain parts only: nothing wrapped, replaced, hooked or watched."""
    if type(model) is not GPT or model.config.dim > LARGEST_DIM:
        return False
    for module in model.modules():
        changed = {"forward", "hidden", "logits"} & vars(module).keys()
        if type(module) not in KNOWN or changed or module._forward_hooks or module._forward_pre_hooks:
            return False
        if isinstance(module, Attention) and (not module.causal or module.maps is not None):
            return False
        if isinstance(module, Block) and (module.has_cross or not module.pre_norm):
            return False
    return True


def _of_norm(norm: nn.LayerNorm) -> tuple:
    return norm.normalized_shape, norm.weight, norm.bias, norm.eps


def _of_attention(block: Block) -> tuple:
    layer = block.attention
    three = (layer.query, layer.key, layer.value)
    weight = torch.cat([part.weight for part in three])
    bias = None if layer.query.bias is None else torch.cat([part.bias for part in three])
    split = (-1, 3, layer.heads, 1, layer.head_dim)
    output = _of_linear(layer.output.weight, layer.output.bias)
    return _of_norm(block.attention_norm), split, layer.scale, _of_linear(weight, bias), output


def _of_mlp(block: Block) -> tuple:
    mlp = block.mlp
    expand, contract = (_of_linear(part.weight, part.bias) for part in (mlp.expand, mlp.contract))
    return _of_norm(block.mlp_norm), expand, mlp.activation, contract


def _of_linear(weight: Tensor, bias: Tensor | None) -> tuple:
    return _turned(weight), weight.new_zeros(len(weight)) if bias is None else bias


def _turned(weight: Tensor) -> Tensor:
    # [out, in] -> [in, out]: on CPUs measured to be the faster layout for the product of a single row with a wide matrix.
    return weight.t().contiguous()


def _linear(x: Float[Tensor, "batch dim"], turned: Tensor, bias: Tensor) -> Float[Tensor, "batch dim_out"]:
    return torch.addmm(bias, x, turned)
