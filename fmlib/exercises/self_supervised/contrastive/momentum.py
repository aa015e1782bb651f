"""The slow encoder: momentum_update."""

import torch
from torch import nn

from fmlib.exercises.compare import Fact
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import Notes, changing
from fmlib.training.ema import momentum_update


def plain_momentum_update(key_encoder, query_encoder, momentum=0.99):
    with torch.no_grad():
        for key, query in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
            key.copy_(momentum * key + (1 - momentum) * query)
        for key, query in zip(key_encoder.buffers(), query_encoder.buffers(), strict=True):
            key.copy_(query)


def update_by_replacing(key_encoder, query_encoder, momentum=0.99):
    for key, query in zip(key_encoder.modules(), query_encoder.modules(), strict=True):
        for name, value in list(key._parameters.items()):
            setattr(key, name, nn.Parameter(momentum * value + (1 - momentum) * getattr(query, name)))
    for key, query in zip(key_encoder.buffers(), query_encoder.buffers(), strict=True):
        key.copy_(query)


def two_encoders(generator, norm=False, frozen=True, dtype=torch.float32):
    """Two networks of one shape with different weights, and different running statistics where there are any."""

    def network():
        layers = nn.Sequential(nn.Linear(3, 2), *([nn.BatchNorm1d(2)] if norm else [])).to(dtype)
        for tensor in layers.state_dict().values():
            low, high = (1, 9) if tensor.dtype == torch.int64 else (-1, 1)
            tensor.copy_(
                low + (high - low) * torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
            )
        return layers

    return {"key_encoder": network().requires_grad_(not frozen), "query_encoder": network()}


@changing("key_encoder")
def watch_encoders(function, inputs) -> Notes:
    """What became of both networks. Parameters are held from before the call: replacing them is not an update in place."""
    key_encoder, query_encoder = inputs["key_encoder"], inputs["query_encoder"]
    held = dict(key_encoder.named_parameters())
    function(*inputs.values())
    theirs = {value.untyped_storage().data_ptr() for value in query_encoder.state_dict().values()}
    ours = [*held.values(), *key_encoder.state_dict().values()]
    return {
        **{f"`{name}` of the key encoder": value.detach() for name, value in held.items()},
        **{
            f"buffer `{name}` of the key encoder": value.detach()
            for name, value in key_encoder.named_buffers()
        },
        "whether the two share memory": Fact(
            any(value.untyped_storage().data_ptr() in theirs for value in ours),
            "the two encoders share memory now: whatever changes one changes the other",
            "the two encoders share no memory",
        ),
        "whether the key encoder hangs on a graph": not all(value.is_leaf for value in held.values()),
    }


MOMENTUM_UPDATE = Exercise(
    name="momentum_update",
    chapter="self_supervised",
    title="The momentum update",
    kind="write",
    difficulty=1,
    minutes=10,
    goal=r"""
The key encoder is a slow copy of the query encoder. Move each of its parameters, in place and without a
gradient, by

$$\theta_k \leftarrow m\,\theta_k + (1 - m)\,\theta_q$$

with momentum $m$, and copy the buffers (the running statistics of batch norm) as they are. The query
encoder stays as it is, and shares no memory with the other. Both are `nn.Module`s of the same shape; nothing is returned.
""",
    starter='''
import torch


def momentum_update(key_encoder, query_encoder, momentum=0.99):
    """Move the key encoder a small step towards the query encoder, in place."""
    raise NotImplementedError("write momentum_update")
''',
    reference=momentum_update,
    observe=watch_encoders,
    cases=(
        Case("a linear layer, momentum 0.9", lambda g: {**two_encoders(g), "momentum": 0.9}),
        Case("the default momentum", lambda g: two_encoders(g)),
        Case("with batch norm, momentum 0.75", lambda g: {**two_encoders(g, norm=True), "momentum": 0.75}),
        Case("momentum 0: a copy", lambda g: {**two_encoders(g, norm=True), "momentum": 0.0}),
        Case("momentum 1: parameters stay", lambda g: {**two_encoders(g), "momentum": 1.0}),
        Case(
            "a key encoder that takes gradients", lambda g: {**two_encoders(g, frozen=False), "momentum": 0.8}
        ),
        Case("float64", lambda g: {**two_encoders(g, norm=True, dtype=torch.float64), "momentum": 0.6}),
    ),
    misconceptions=(
        Misconception(
            "The momentum is the wrong way round: the key encoder keeps the share `momentum` of "
            "itself and takes `1 - momentum` of the query encoder. Yours nearly jumps to the "
            "query encoder.",
            slips(
                plain_momentum_update,
                {"momentum * key + (1 - momentum) * query": "momentum * query + (1 - momentum) * key"},
            ),
        ),
        Misconception(
            "You moved the query encoder. It learns by gradient; the key encoder is the one that follows.",
            slips(
                plain_momentum_update,
                {
                    "for key, query in zip(key_encoder.p": "for query, key in zip(key_encoder.p",
                    "for key, query in zip(key_encoder.b": "for query, key in zip(key_encoder.b",
                },
                {"key.copy_(momentum *": "query.copy_(momentum *"},
            ),
        ),
        Misconception(
            "The key encoder's parameters are as before: `key = ...` binds a name to a new "
            "tensor, and a replaced parameter is not the old one. Change it in place, as "
            "`key.copy_`, `key.mul_` or `key.lerp_` do.",
            (
                *slips(
                    plain_momentum_update,
                    {"key.copy_(momentum * key + (1 - momentum) * query)": "pass"},
                    {
                        "key.copy_(momentum * key + (1 - momentum) * query)": "pass",
                        "key.copy_(query)": "pass",
                    },
                ),
                update_by_replacing,
            ),
        ),
        Misconception(
            "The update is recorded in a graph. Nothing must flow back through it, and the graph "
            "would grow at every step: put it under `torch.no_grad()`.",
            slips(
                plain_momentum_update,
                {"with torch.no_grad():": "if True:"},
                {
                    "with torch.no_grad():": "if True:",
                    "key.copy_(momentum * key + (1 - momentum) * query)": "key.mul_(momentum).add_((1 - momentum) * query)",
                },
            ),
        ),
        Misconception(
            "The key encoder became a plain copy: with `momentum` near 1 it should hardly move in a step.",
            slips(
                plain_momentum_update,
                {"key.copy_(momentum * key + (1 - momentum) * query)": "key.copy_(1.0 * query)"},
            ),
        ),
        Misconception(
            "The two shares do not add up to 1. Both terms are weighted, `momentum` and `1 - "
            "momentum`, else the weights drift.",
            slips(
                plain_momentum_update,
                {"momentum * key + (1 - momentum) * query": "momentum * key + query"},
                {"momentum * key + (1 - momentum) * query": "key + (1 - momentum) * query"},
            ),
        ),
        Misconception(
            "The buffers are shared, not copied: `key.data = query.data` makes one tensor of two, and the next step of "
            "the query encoder moves the key encoder as well. Copy the numbers, `key.copy_(query)`.",
            slips(plain_momentum_update, {"key.copy_(query)": "key.data = query.data"}),
        ),
        Misconception(
            "The query encoder takes no gradients any more, so it never learns again. Only this update is without "
            "a gradient: put it under `torch.no_grad()`, and leave `requires_grad` alone.",
            slips(
                plain_momentum_update, {"with torch": "query_encoder.requires_grad_(False)\n    with torch"}
            ),
        ),
        Misconception(
            "The buffers were left behind: batch norm's running statistics are no parameters. "
            "Copy `buffers()` too, or the key encoder normalizes with statistics of the first "
            "step.",
            slips(plain_momentum_update, {"key.copy_(query)": "pass"}),
        ),
        Misconception(
            "The buffers were averaged. They are running averages already (and one is a count): "
            "copy them as they are.",
            slips(
                plain_momentum_update,
                {
                    "            key.copy_(query)": "            key.copy_(momentum * key + (1 - momentum) * query)"
                },
                {
                    "            key.copy_(query)": "            key.copy_(momentum * key + (1 - momentum) * query if "
                    "key.is_floating_point() else query)"
                },
                {
                    "            key.copy_(query)": "            key.copy_(momentum * key + (1 - momentum) * query if "
                    "key.is_floating_point() else key)"
                },
            ),
        ),
    ),
    hints=(
        "`zip(key_encoder.parameters(), query_encoder.parameters())` walks through both "
        "networks side by side.",
        "Assigning to the loop variable changes nothing outside. The methods that end in an "
        "underscore change a tensor in place.",
        "Under `with torch.no_grad():`, `key.mul_(momentum).add_((1 - momentum) * query)` for "
        "parameters and `key.copy_(query)` for `buffers()`.",
    ),
)
