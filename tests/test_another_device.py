"""Commands on a device that tensors must be moved to: what a GPU would refuse fails here, too."""

import json

import pytest
from on_another_device import START, python

REFUSED = {
    "torch.ones(3, device=there) + torch.ones(3)": "tensors [(3,)] on the device and [(3,)] on the CPU",
    "torch.nn.Linear(2, 1).to(there)(torch.ones(1, 2))": "on the device and",
    "torch.rand(3, device=there, generator=torch.Generator())": "with a generator of the CPU",
    "torch.ones(3, device=there).double()": "the device has none",
    "torch.ones(3, device=there).numpy()": "use .cpu()",
}  # code -> words of the error


def test_the_device_refuses_what_a_gpu_refuses():
    code = f"""
import json
said = {{}}
for code in {list(REFUSED)!r}:
    try:
        exec(code)
        said[code] = "no error"
    except Exception as error:
        said[code] = str(error)
print(json.dumps(said))
"""
    status, said = python("-c", START + code)
    assert status == 0, said
    errors = json.loads(said.splitlines()[-1])
    assert {code: error for code, error in errors.items() if REFUSED[code] not in error} == {}
    assert list(errors) == list(REFUSED)


def test_the_device_computes_what_the_cpu_computes():
    code = """
x, y = torch.randn(5, 3), torch.randn(5, 1)
found = []
for device in ("cpu", there):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.GELU(), torch.nn.Linear(4, 1)).to(device)
    loss = (net(x.to(device)) - y.to(device)).square().mean()
    loss.backward()
    found.append([loss.detach().cpu(), *(p.grad.cpu() for p in net.parameters())])
assert pretend_device.operations > 20
for a, b in zip(*found, strict=True):
    assert torch.equal(a, b)
"""
    assert python("-c", START + code) == (0, "")


def test_a_recurrent_network_learns_there_what_it_learns_here():
    code = """
import copy
net, x = torch.nn.GRU(3, 4, batch_first=True), torch.randn(2, 5, 3)
other = copy.deepcopy(net).to(there)
found = []
for one, device in ((net, "cpu"), (other, there)):
    states = one(x.to(device))[0]
    states.square().sum().backward()
    found.append([states.detach().cpu(), *(p.grad.cpu() for p in one.parameters())])
for a, b in zip(*found, strict=True):
    assert torch.allclose(a, b, atol=1e-5)
"""
    assert python("-c", START + code) == (0, "")


def test_a_diverged_model_is_refused_there_too_when_the_text_ends():
    code = """
from fmlib.llm.generation import generate
from fmlib.llm.gpt import GPT, GPTConfig
model = GPT(GPTConfig.tiny()).eval()
torch.nn.init.constant_(model.norm.weight, float("nan"))
generate(model.to(there), torch.zeros(1, 3).long().to(there), 2)
"""
    status, said = python("-c", START + code)
    assert status == 1
    assert "ValueError: logits have nan or nothing finite at the top of row 0" in said


@pytest.mark.slow
def test_the_quick_starts_and_the_command_line_run_on_another_device(tmp_path):
    code = """
import fmlib.llm.__main__, fmlib.self_supervised.__main__
from fmlib.llm import pretrain
fmlib.llm.__main__.main([])
for method in ([], ["colorization"], ["cpc"], ["bert"]):  # one for each kind of data
    assert fmlib.self_supervised.__main__.main(method) == 0
sizes = "--steps 3 --layers 1 --heads 2 --dim 16 --length 16 --batch-size 4 --vocab-size 300"
read = "--data shakespeare --tokenizer-characters 20000 --held-out-tokens 200 --checkpoint gpt.safetensors"
assert pretrain.main(f"{sizes} {read}".split()) == 0
assert pretend_device.operations > 5000
"""
    status, said = python("-c", START + code, folder=tmp_path)
    assert status == 0, said
