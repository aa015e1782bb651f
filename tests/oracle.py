"""What every test against transformers needs: models with telling weights, theirs saved and in float64, comparisons."""

import types
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from fmlib.pretrained import Rename, convert

EXACT = {"rtol": 0, "atol": 1e-10}
VOCAB = 61


def random_text(batch: int = 2, length: int = 20, seed: int = 0, first: int = 0) -> Tensor:
    """Random tokens [batch, length], from `first` up."""
    return torch.randint(first, VOCAB, (batch, length), generator=torch.Generator().manual_seed(seed))


def our_model(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A model of ours in float64, with weights of a seed that are large enough for every part to matter."""
    torch.manual_seed(seed)
    return _telling(make().double())


def their_model(make: Callable[[], nn.Module], folder, **saving) -> nn.Module:
    """A model of theirs with such weights: saved in a folder, then computing in float64 from end to end."""
    torch.manual_seed(1)
    model = _telling(make())
    model.save_pretrained(folder, **saving)
    return exact_transformers(model)


def _telling(model: nn.Module) -> nn.Module:
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)
    return model.eval()


def same_gradients(model: nn.Module, gradients: Mapping[str, Tensor], table: Sequence[Rename]) -> None:
    """Every parameter of ours has the gradient of theirs: what brings weights over brings gradients over.

    Args:
        model: ours, after its backward pass.
        gradients: of theirs, by their names in a checkpoint.
        table: of the published layout.
    """
    expected, mine = convert(gradients, table), dict(model.named_parameters())
    assert set(expected) == set(mine)
    for name, gradient in expected.items():
        assert torch.allclose(mine[name].grad, gradient, **EXACT), name


def same_with_a_cache(ours: nn.Module, theirs: nn.Module) -> None:
    """With what a cache has seen, both go on to the same logits."""
    text = random_text()
    with torch.no_grad():
        first = theirs(text[:, :12], use_cache=True)
        expected = theirs(text[:, 12:], past_key_values=first.past_key_values).logits
        cache = ours.make_cache(2)
        ours(text[:, :12], cache=cache)
        assert torch.allclose(ours(text[:, 12:], cache=cache), expected, **EXACT)


def same_with_left_padding(ours: nn.Module, theirs: nn.Module) -> None:
    """Where a row is padded on the left, both give the same logits for all that is not padding."""
    real = torch.ones(2, 12, dtype=torch.bool)
    real[0, :5] = False
    positions = (real.cumsum(1) - 1).clamp(min=0)
    tokens = random_text(length=12)
    expected = theirs(tokens, attention_mask=real.long(), position_ids=positions).logits
    got = ours(tokens, mask=real[:, None, None, :], positions=positions)
    assert torch.allclose(got[real], expected[real], **EXACT)


class _Torch(types.SimpleNamespace):
    """The module torch, with float64 wherever float32 is asked for."""

    float32 = float = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def exact_transformers(model: nn.Module) -> nn.Module:
    """A model of transformers that computes in float64 from end to end, with its own code.

    Some of its layers go back to float32 otherwise, whatever the weights are.

    Args:
        model: with float32 weights; it is changed.
    """
    model = model.double()
    for module in model.modules():
        forward = getattr(type(module).forward, "__wrapped__", type(module).forward)
        if type(module).__name__ in ("LlamaRMSNorm", "T5LayerNorm"):
            changed = types.FunctionType(forward.__code__, {**forward.__globals__, "torch": _Torch()})
            module.forward = types.MethodType(changed, module)
        if type(module).__name__ == "LlamaRotaryEmbedding":
            module.forward = types.MethodType(_angles_in_float64, module)
    return model


def _angles_in_float64(rotary: nn.Module, x: torch.Tensor, position_ids: torch.Tensor) -> tuple:
    compute = type(rotary).compute_default_rope_parameters
    compute = types.FunctionType(compute.__code__, {**compute.__globals__, "torch": _Torch()})
    speed, scaling = compute(rotary.config)
    angles = position_ids[..., None].double() * speed
    both = torch.cat([angles, angles], dim=-1)
    return both.cos() * scaling, both.sin() * scaling
