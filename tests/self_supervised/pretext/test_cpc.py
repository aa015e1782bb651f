"""CPC: the context hears no future, the loss is a cross-entropy, and the memory is the GRU of the paper."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from fmlib.data import load_spoken_words
from fmlib.self_supervised.pretext import CPC, CPCConfig, Recipe, train_cpc
from fmlib.self_supervised.pretext.cpc import FrameNorm, cpc_losses, other_moments, other_recordings, pick_own
from fmlib.self_supervised.pretext.training import make_cpc, vary

TINY = CPCConfig.tiny()
REACH = 4 + (3 - 1) * 3  # samples that a frame of the tiny encoder hears


@pytest.fixture
def model():
    return make_cpc(0, TINY).double()


def waves(batch=4, samples=61):
    return torch.randn(batch, samples, generator=torch.Generator().manual_seed(batch), dtype=torch.float64)


def test_frames_come_at_the_stride_that_the_configuration_says(model):
    z, c = model(waves())
    assert TINY.frame == 6
    assert z.shape == (4, (61 - REACH) // 6 + 1, 6)
    assert c.shape == (4, z.shape[1], 5)


def test_the_paper_s_frames_are_ten_milliseconds():
    assert CPCConfig.paper().frame == 160  # of 16,000 samples a second


def test_neither_frame_nor_context_hears_the_future(model):
    sound = waves()
    z, c = model(sound)
    for frame in range(z.shape[1]):
        changed = sound.clone()
        changed[:, 6 * frame + REACH :] += 1
        other_z, other_c = model(changed)
        assert torch.equal(other_z[:, : frame + 1], z[:, : frame + 1])
        assert torch.equal(other_c[:, : frame + 1], c[:, : frame + 1])


def test_a_norm_over_time_would_have_let_the_future_in():
    sound = waves()
    changed = sound.clone()
    changed[:, 40:] += 1
    for norm, leaks in ((FrameNorm(3), False), (torch.nn.GroupNorm(1, 3), True)):
        norm = norm.double()
        seen = [norm(x[:, None].expand(-1, 3, -1))[:, :, :40] for x in (sound, changed)]
        assert torch.equal(*seen) is not leaks


def gru(z, weights):
    """Cho et al. 2014, gate by gate."""
    state, states = z.new_zeros(len(z), 5), []
    w_in, w_state = weights["weight_ih_l0"], weights["weight_hh_l0"]
    b_in, b_state = weights["bias_ih_l0"], weights["bias_hh_l0"]
    for x in z.unbind(1):
        (r1, u1, n1), (r2, u2, n2) = (
            (v @ w.T + b).chunk(3, 1) for v, w, b in ((x, w_in, b_in), (state, w_state, b_state))
        )
        reset, update = torch.sigmoid(r1 + r2), torch.sigmoid(u1 + u2)
        state = (1 - update) * torch.tanh(n1 + reset * n2) + update * state
        states.append(state)
    return torch.stack(states, 1)


def test_the_memory_is_a_gru(model):
    z, c = model(waves())
    by_hand = gru(z, dict(model.memory.named_parameters()))
    assert torch.allclose(c, by_hand, atol=1e-10)
    weights = list(model.parameters())
    one, other = (
        torch.autograd.grad(x.square().sum(), weights[0], retain_graph=True)[0] for x in (c, by_hand)
    )
    assert torch.allclose(one, other, atol=1e-10)


@given(st.integers(1, 3), st.integers(2, 5), st.integers(1, 4), st.integers(0, 99))
def test_info_nce_is_the_formula_written_out(groups, rows, dim, seed):
    drawn = torch.randn(
        2, groups, rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).requires_grad_()
    loss = pick_own(*drawn)
    total = 0
    for group in range(groups):
        for i in range(rows):
            scores = torch.stack([(drawn[0, group, i] * drawn[1, group, j]).sum() for j in range(rows)])
            total = total - torch.log(scores[i].exp() / scores.exp().sum())
    by_hand = total / (groups * rows)
    assert torch.allclose(loss, by_hand, atol=1e-10)
    one, other = (torch.autograd.grad(value, drawn, retain_graph=True)[0] for value in (loss, by_hand))
    assert torch.allclose(one, other, atol=1e-10)


def test_nothing_known_costs_the_logarithm_of_the_candidates():
    assert pick_own(torch.zeros(2, 7, 3), torch.randn(2, 7, 3)).item() == pytest.approx(math.log(7))


@pytest.mark.parametrize("grouping", [other_recordings, other_moments])
def test_each_step_ahead_compares_the_right_frames(model, grouping):
    z, c = model(waves())
    losses = cpc_losses(model, z, c, grouping)
    for k in (1, 2):
        predicted, future = model.predictors[k - 1](c[:, :-k]), z[:, k:]
        total, count = 0, 0
        for batch in range(4):
            for t in range(z.shape[1] - k):
                if grouping is other_recordings:
                    candidates, right = future[:, t], batch
                else:
                    candidates, right = future[batch], t
                scores = candidates @ predicted[batch, t]
                total, count = total + F.cross_entropy(scores[None], torch.tensor([right])), count + 1
        assert torch.allclose(losses[k - 1], total / count, atol=1e-10)


def test_the_gradient_reaches_every_part(model):
    cpc_losses(model, *model(waves())).mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_what_comes_next_is_learned():
    sound = load_spoken_words("train").waves[:96, :2400]
    model, history = train_cpc(sound, Recipe(steps=12, batch_size=16), progress=False)
    assert sum(history.loss[-3:]) / 3 < math.log(16) - 0.015
    assert isinstance(model, CPC)


def test_loudness_and_noise_are_the_generator_s(generator):
    state, sound = generator.get_state(), torch.ones(3, 50)
    one = vary(sound, generator)
    assert not torch.equal(one, vary(sound, generator))
    generator.set_state(state)
    assert torch.equal(one, vary(sound, generator))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: pick_own(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2)), "targets has 1 row in each group"),
        (lambda m: m(torch.zeros(3)), "waves have shape"),
        (lambda m: cpc_losses(m, torch.zeros(2, 3, 6), torch.zeros(2, 3, 5)), "ahead is 2"),
        (lambda m: CPCConfig(kernels=(3,)), "1 kernels and 3 strides"),
        (lambda m: CPCConfig(dim=0), "dim is 0"),
    ],
)
def test_what_does_not_fit_is_refused(refuses, model, call, says):
    with refuses(ValueError, says):
        call(model)
