import copy

import pytest
import torch
from torch import nn

from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.model import GPT
from fmlib.training.fit import fit
from fmlib.training.optimizers import JoinedOptimizer, Muon, adamw, muon, orthogonalize


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(11, 8), nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 11))


def train(trained, optimizer, steps):
    for step in range(steps):
        tokens = torch.randint(11, (16,), generator=torch.Generator().manual_seed(step))
        loss = nn.functional.cross_entropy(trained(tokens), (tokens * 3 + 1) % 11)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def test_singular_values_go_to_one_and_directions_stay():
    torch.manual_seed(0)
    for rows, columns in ((6, 20), (20, 6), (8, 8)):
        u, _ = torch.linalg.qr(torch.randn(3, rows, min(rows, columns)))
        v, _ = torch.linalg.qr(torch.randn(3, columns, min(rows, columns)))
        values = torch.logspace(0, -2, min(rows, columns))
        found = orthogonalize(u @ torch.diag(values / values.norm()) @ v.mT)
        inside = u.mT @ found @ v
        lengths = inside.diagonal(dim1=1, dim2=2)
        assert lengths.min() > 0.68
        assert lengths.max() < 1.14
        torch.testing.assert_close(inside, torch.diag_embed(lengths), rtol=0, atol=1e-4)
        torch.testing.assert_close(u @ inside @ v.mT, found, rtol=0, atol=1e-4)


def test_a_matrix_of_zeros_stays_one():
    assert orthogonalize(torch.zeros(2, 3, 5)).eq(0).all()


def step_by_step(x):
    """The source's iteration as it stands, X <- aX + (bA + cA²)X with A = X Xᵀ, in float64."""
    x = x.double() / x.double().norm()
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x


@pytest.mark.parametrize("shape", [(8, 8), (12, 20), (12, 24), (16, 200)])
@pytest.mark.parametrize("falling", [0.0, 4.0])
def test_the_way_over_the_small_square_is_the_iteration_itself(shape, falling):
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    x = u @ torch.diag(torch.logspace(0, -falling, shape[0])) @ v
    expected = step_by_step(x)
    torch.testing.assert_close(orthogonalize(x[None])[0].double(), expected, rtol=0, atol=1e-3)
    torch.testing.assert_close(orthogonalize(x.T[None])[0].double(), expected.T, rtol=0, atol=1e-3)


def test_muon_is_torchs_up_to_its_sixteen_bits():
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for shape in ((8, 24), (8, 24), (40, 4), (3, 9), (8, 24))]
    theirs = [nn.Parameter(p.detach().clone()) for p in ours]
    before = [p.detach().clone() for p in ours]
    first = Muon(ours, lr=0.02, weight_decay=0.1)
    second = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(5):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        first.step()
        second.step()
    for a, b, start in zip(ours, theirs, before, strict=True):
        assert (a - b).norm() < 0.02 * (b - start).norm()


def test_a_kernel_is_a_matrix_with_a_row_for_each_feature():
    torch.manual_seed(0)
    kernel = nn.Parameter(torch.randn(6, 4, 3, 3).to(memory_format=torch.channels_last))
    matrix = nn.Parameter(kernel.detach().flatten(1).clone())
    for _ in range(3):
        kernel.grad = torch.randn_like(kernel)
        matrix.grad = kernel.grad.flatten(1).clone()
        Muon([kernel], lr=0.1).step()
        Muon([matrix], lr=0.1).step()
    torch.testing.assert_close(kernel.flatten(1), matrix, rtol=0, atol=1e-6)


def test_a_vector_is_refused_by_its_shape():
    with pytest.raises(ValueError, match=r"shape \(7,\): expected matrices and kernels"):
        Muon([nn.Parameter(torch.zeros(7))], lr=0.1)


def test_two_optimizers_as_one_do_what_each_does_alone():
    joined, apart = model(), model()
    train(joined, muon(joined, 0.01, weight_decay=0.1)(joined.parameters()), 5)
    first = Muon([apart[1].weight, apart[3].weight], lr=0.01, weight_decay=0.1)
    plain = [apart[1].bias, *apart[2].parameters(), apart[3].bias]
    groups = [{"params": [apart[0].weight], "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    second = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95))
    for step in range(5):
        tokens = torch.randint(11, (16,), generator=torch.Generator().manual_seed(step))
        loss = nn.functional.cross_entropy(apart(tokens), (tokens * 3 + 1) % 11)
        for optimizer in (first, second):
            optimizer.zero_grad()
        loss.backward()
        for optimizer in (first, second):
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(joined.parameters(), apart.parameters(), strict=True))


def test_saved_and_loaded_it_goes_on_as_before():
    whole, half = model(), model()
    optimizer = muon(whole, 0.01)(whole.parameters())
    train(whole, optimizer, 3)
    half.load_state_dict(whole.state_dict())
    loaded = muon(half, 0.5)(half.parameters())
    loaded.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(whole, optimizer, 3)
    train(half, loaded, 3)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), half.parameters(), strict=True))


def test_the_schedule_reaches_every_part():
    trained = model()
    optimizer = muon(trained, 0.01)(trained.parameters())
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = copy.deepcopy(trained)
    train(trained, optimizer, 2)
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), trained.parameters(), strict=True))


def test_embeddings_are_not_made_orthogonal():
    gpt = GPT(GPTConfig.tiny(vocab_size=30))
    parts = muon(gpt, 0.01, weight_decay=0.1)(gpt.parameters()).parts
    held = [{id(p) for group in part.param_groups for p in group["params"]} for part in parts]
    assert {id(gpt.token_embedding.weight), id(gpt.position_embedding.weight)} <= held[1]
    assert held[0] == {id(p) for p in gpt.blocks.parameters() if p.ndim == 2}
    assert sorted(held[0] | held[1]) == sorted(id(p) for p in gpt.parameters())


def test_it_learns_through_fit():
    trained = model()

    def batches(step, generator):
        return torch.randint(11, (32,), generator=generator)

    def loss(network, tokens, generator):
        return nn.functional.cross_entropy(network(tokens), (tokens * 3 + 1) % 11)

    options = {"rate": 0.02, "progress": False, "device": "cpu"}
    history = fit(trained, batches, loss, steps=200, optimizer=muon(trained, 0.02), **options)
    assert history.loss[-1] < 0.2 * history.loss[0]


def test_a_parameter_in_two_optimizers_is_refused():
    weight = nn.Parameter(torch.zeros(2, 2))
    with pytest.raises(ValueError, match="more than one parameter group"):
        JoinedOptimizer(torch.optim.SGD([weight], lr=1), torch.optim.SGD([weight], lr=1))


def test_a_model_of_vectors_only_needs_no_muon():
    norm = nn.LayerNorm(4)
    assert len(muon(norm, 0.1)(norm.parameters()).parts) == 1


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ({"rate": -0.1}, r"rate is -0\.1: expected 0 or more"),
        ({"rate": float("nan")}, "rate is nan: expected 0 or more"),
        ({"rate": "fast"}, "rate is 'fast': expected 0 or more"),
        ({"rate": 0.1, "weight_decay": -1}, "weight_decay is -1: expected 0 or more"),
        ({"rate": 0.1, "betas": (0.9, 1.0)}, r"betas is \(0\.9, 1\.0\): expected shares in \[0, 1\)"),
    ],
)
def test_numbers_out_of_range_are_refused_at_once(numbers, says, refuses):
    for make in (adamw, muon):
        with refuses(ValueError, says):
            make(model(), **numbers)


def test_muons_own_numbers_are_checked(refuses):
    weight = nn.Parameter(torch.zeros(2, 2))
    with refuses(ValueError, "momentum is 1: expected shares in"):
        Muon([weight], lr=0.1, momentum=1)
    with refuses(ValueError, "weight_decay is -1: expected 0 or more"):
        Muon([weight], lr=0.1, weight_decay=-1)
