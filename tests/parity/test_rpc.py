"""torch.distributed.rpc of one worker and gradients by context do what PyTorch's do."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")

PROGRAM = """
import os, sys
torch = __import__("importlib").import_module(sys.argv[1])
load = lambda name: __import__("importlib").import_module(f"{sys.argv[1]}.{name}")
rpc, dist_autograd, optim = load("distributed.rpc"), load("distributed.autograd"), load("distributed.optim")
os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = "localhost", sys.argv[2]

def show(call):
    try:
        print(call())
    except Exception as error:
        print(type(error).__name__, str(error).splitlines()[0])

def add(a, b): return a + b
def append(values): values.append(2); return values
def describe(x): return type(x).__name__, x.requires_grad, x.is_leaf
def grad_enabled(): return torch.is_grad_enabled()
def increased(rref): return rref.local_value() + 1
def references(rref): return [rpc.RRef(p) for p in rref.local_value().parameters()]
class Counter:
    def __init__(self, value): self.value = value
    def get(self, more=0): return self.value + more
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 1)
        torch.nn.init.constant_(self.linear.weight, 0.5)
        torch.nn.init.constant_(self.linear.bias, 0.1)
    def forward(self, x): return self.linear(x)

show(lambda: rpc.rpc_sync("w0", add, args=(1, 2)))
show(rpc.shutdown)
show(lambda: rpc.RRef(3))
show(lambda: dist_autograd.context().__enter__())
options = rpc.TensorPipeRpcBackendOptions(num_worker_threads=4, rpc_timeout=20)
print(options.num_worker_threads, options.rpc_timeout, options.init_method, options.device_maps, options.devices)
rpc.init_rpc("w0", rank=0, world_size=1, rpc_backend_options=options)
show(lambda: rpc.init_rpc("w0", rank=0, world_size=1))
print(rpc.get_worker_info(), rpc.get_worker_info("w0").id, rpc.get_rpc_timeout(), repr(rpc.BackendType.TENSORPIPE))
for to in ("w0", 0, rpc.get_worker_info(), "w1", 3, 3.5):
    show(lambda: rpc.rpc_sync(to, add, args=(1,), kwargs={"b": 2}))
show(lambda: rpc.rpc_sync("w0", 3))
values = [1]
print(rpc.rpc_sync("w0", append, args=(values,)), values)
show(lambda: rpc.rpc_sync("w0", lambda x: x, args=(1,)))
x = torch.ones(2, requires_grad=True)
for sent in (x, x * 2, torch.nn.Parameter(torch.ones(2))):
    print(rpc.rpc_sync("w0", describe, args=(sent,)))
    with dist_autograd.context():
        print(rpc.rpc_sync("w0", describe, args=(sent,)))
with torch.no_grad():
    print(rpc.rpc_sync("w0", grad_enabled))
counter = rpc.remote("w0", Counter, args=(5,))
print(counter.rpc_sync().get(1), counter.rpc_async().get(more=2).wait(), counter.remote().get(3).to_here())
show(lambda: counter.rpc_sync().nothing())
rref = rpc.RRef(x)
print(rref.to_here() is x, rref.owner(), rref.owner_name(), rref.is_owner(), rpc.rpc_sync("w0", increased, args=(rpc.RRef(torch.ones(2)),)))
show(lambda: rpc.RRef(3).backward())
a, b = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0], requires_grad=True)
with dist_autograd.context() as context:
    dist_autograd.backward(context, [rpc.rpc_sync("w0", torch.mul, args=(a, b)).sum()])
    gradients = dist_autograd.get_gradients(context)
    print(len(gradients), gradients[a], gradients[b], a.grad, b.grad)
with dist_autograd.context() as context:
    square = (a * a).sum()
    for _ in range(2):
        dist_autograd.backward(context, [square], retain_graph=True)
    print(dist_autograd.get_gradients(context)[a])
    for roots in ([], [torch.ones(())]):
        show(lambda: dist_autograd.backward(context, roots))
    show(lambda: dist_autograd.backward(12345, [square]))
    show(lambda: dist_autograd.context().__enter__())
show(lambda: dist_autograd.get_gradients(context))
net = rpc.remote("w0", Net)
parameters = rpc.rpc_sync("w0", references, args=(net,))
optimizer = optim.DistributedOptimizer(torch.optim.SGD, parameters, lr=0.125)
for _ in range(2):
    with dist_autograd.context() as context:
        dist_autograd.backward(context, [(net.rpc_sync().forward(torch.ones(4, 2)) ** 2).mean()])
        optimizer.step(context)
    print([p.to_here() for p in parameters], [p.to_here().grad for p in parameters])
rpc.shutdown()
show(rpc.shutdown)
"""


def output(library: str) -> str:
    port = str(20000 + os.getpid() % 20000)
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, library, port], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_same_is_printed():
    if not importlib.import_module("torch").distributed.rpc.is_available():
        pytest.skip("this PyTorch has no RPC")
    assert output("chainrule") == output("torch")
