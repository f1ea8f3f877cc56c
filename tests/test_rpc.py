"""torch.distributed.rpc of one worker, gradients by context, the optimizer of references; torch.futures."""

import pickle
import threading
import time

import pytest

import chainrule as torch
from chainrule.distributed import autograd as dist_autograd, rpc
from chainrule.distributed.optim import DistributedOptimizer
from chainrule.futures import Future, collect_all, wait_all


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("RANK", raising=False)
    rpc.init_rpc("w0", rank=0, world_size=1)
    yield "w0"
    rpc.shutdown()


def add(a, b):
    return a + b


def boom():
    raise KeyError("bad")


def unsendable():
    return lambda: 0


class Picky(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


def picky():
    raise Picky(1, 2)


def append(values):
    values.append(2)
    return values


def mutate(x):
    return x.add_(1)


def same(x):
    return x


def grad_enabled():
    return torch.is_grad_enabled()


def increased(rref):
    return rref.local_value() + 1


@rpc.functions.async_execution
def later(x):
    return rpc.rpc_async("w0", add, args=(x, 1)).then(lambda future: future.wait() * 2)


class Counter:
    def __init__(self, value):
        self.value = value

    def get(self, more=0):
        return self.value + more

    def fail(self):
        raise ValueError("no")


# ---------------------------------------------------------------- the worker


def test_there_is_one_worker(worker):
    info = rpc.get_worker_info()
    assert (repr(info), info.name, info.id) == ("WorkerInfo(id=0, name=w0)", "w0", 0)
    assert info == rpc.get_worker_info("w0") and hash(info) == hash(rpc.WorkerInfo("w0", 0))
    assert rpc.get_rpc_timeout() == 60 and rpc.is_available()
    with pytest.raises(RuntimeError, match="RPC is already initialized"):
        rpc.init_rpc("w0")
    for call in (lambda: rpc.get_worker_info("w1"), lambda: rpc.rpc_sync("w1", add, args=(1, 2))):
        with pytest.raises(RuntimeError, match="name:w0,rank:0 could not find destination name w1"):
            call()
    with pytest.raises(RuntimeError, match="could not find destination id 3"):
        rpc.remote(3, add, args=(1, 2))
    with pytest.raises(ValueError, match=r"Cannot get WorkerInfo from name 3.5"):
        rpc.rpc_sync(3.5, add, args=(1, 2))


def test_without_a_worker():
    for call in (rpc.shutdown, rpc.get_worker_info, lambda: rpc.rpc_sync("w0", add, args=(1, 2)), rpc.get_rpc_timeout):
        with pytest.raises(
            RuntimeError, match=r"RPC has not been initialized. Call torch.distributed.rpc.init_rpc first."
        ):
            call()
    with pytest.raises(RuntimeError, match="Current RPC agent is not set!"):
        rpc.RRef(3)
    with pytest.raises(RuntimeError, match="Need to initialize distributed autograd"):
        dist_autograd.context().__enter__()


def test_other_workers_are_refused(monkeypatch):
    with pytest.raises(NotImplementedError, match="chainrule runs in one process: 2 workers"):
        rpc.init_rpc("w0", rank=0, world_size=2)
    with pytest.raises(ValueError, match="rank 1 of one worker"):
        rpc.init_rpc("w1", rank=1, world_size=1)
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(NotImplementedError, match="3 workers"):
        rpc.init_rpc("w0")
    with pytest.raises(TypeError, match="must be a member of BackendType"):
        rpc.init_rpc("w0", backend="gloo")


def test_options():
    options = rpc.TensorPipeRpcBackendOptions(num_worker_threads=4, rpc_timeout=20, init_method="tcp://x")
    assert (options.num_worker_threads, options.rpc_timeout, options.init_method) == (4, 20.0, "tcp://x")
    assert (options.device_maps, options.devices) == ({}, [])
    with pytest.raises(RuntimeError, match="Cannot access accelerator device"):
        rpc.TensorPipeRpcBackendOptions(device_maps={"w1": {0: 1}})
    rpc.init_rpc("w0", rpc.BackendType.TENSORPIPE, 0, 1, options)
    assert rpc.get_rpc_timeout() == 20
    rpc.shutdown()


# ---------------------------------------------------------------- calls


def test_calls(worker):
    for to in (worker, 0, rpc.get_worker_info()):
        assert rpc.rpc_sync(to, add, args=(1,), kwargs={"b": 2}) == 3
    future = rpc.rpc_async(worker, add, args=(1, 2))
    assert (future.done(), future.wait(), future.value()) == (True, 3, 3)
    assert torch.equal(rpc.rpc_sync(worker, torch.add, args=(torch.ones(2), 3)), torch.full((2,), 4.0))
    assert rpc.rpc_sync(worker, later, args=(3,)) == 8 and rpc.remote(worker, later, args=(3,)).to_here() == 8
    with torch.no_grad():
        assert rpc.rpc_sync(worker, grad_enabled)
    with pytest.raises(TypeError, match=r"function should be callable."):
        rpc.rpc_sync(worker, 3)


def test_what_is_sent_is_a_copy(worker):
    x, values = torch.ones(2), [1]
    assert torch.equal(rpc.rpc_sync(worker, mutate, args=(x,)), x + 1) and torch.equal(x, torch.ones(2))
    assert (rpc.rpc_sync(worker, append, args=(values,)), values) == ([1, 2], [1])
    leaf = torch.ones(2, requires_grad=True)
    for sent in (leaf, leaf * 2, torch.nn.Parameter(torch.ones(2))):  # history stays behind
        found = rpc.rpc_sync(worker, same, args=(sent,))
        assert found.requires_grad and found.is_leaf and type(found) is type(sent) and found is not sent
    with pytest.raises((AttributeError, pickle.PicklingError), match="local object"):
        rpc.rpc_sync(worker, lambda x: x, args=(1,))


def test_errors_say_where_they_were_raised(worker):
    with pytest.raises(KeyError, match=r"On WorkerInfo\(id=0, name=w0\)"):
        rpc.rpc_sync(worker, boom)
    with pytest.raises(RuntimeError, match=r"On WorkerInfo.*\nPicky\(1, 2\)"):
        rpc.rpc_sync(worker, picky)
    future = rpc.rpc_async(worker, boom)
    assert future.done()
    with pytest.raises(KeyError) as caught:
        future.wait()
    assert isinstance(caught.value.__cause__, KeyError)
    future = rpc.rpc_async(worker, unsendable)
    with pytest.raises((AttributeError, pickle.PicklingError), match="local object"):
        future.wait()
    assert rpc.remote(worker, unsendable).to_here()() == 0  # it stays where it is
    reference = rpc.remote(worker, boom)
    for ask in (reference.to_here, reference.local_value):
        with pytest.raises(KeyError, match="On WorkerInfo"):
            ask()


# ---------------------------------------------------------------- references


def test_references(worker):
    x = torch.ones(2)
    reference = rpc.RRef(x)
    assert reference.to_here() is x and reference.local_value() is x
    assert reference.is_owner() and reference.confirmed_by_owner()
    assert reference.owner() == rpc.get_worker_info() and reference.owner_name() == worker
    assert repr(reference).startswith("OwnerRRef(GloballyUniqueId(created_on=0, local_id=")
    assert torch.equal(rpc.rpc_sync(worker, increased, args=(reference,)), x + 1)
    made = rpc.remote(worker, add, args=(x, 3))
    assert torch.equal(made.to_here(), x + 3) and made.to_here() is made.local_value()
    with pytest.raises(RuntimeError, match="Can not pickle rref in python pickler"):
        pickle.dumps(reference)


def test_methods_of_references(worker):
    counter = rpc.remote(worker, Counter, args=(5,))
    assert counter.rpc_sync().get(1) == 6
    assert counter.rpc_async().get(more=2).wait() == 7
    assert counter.remote().get(3).to_here() == 8
    with pytest.raises(ValueError, match=r"ValueError\('no'\)"):
        counter.rpc_sync().fail()
    with pytest.raises(AttributeError, match="type object 'Counter' has no attribute 'nothing'"):
        counter.rpc_sync().nothing()


def test_backward_of_a_reference(worker):
    x = torch.ones(2, requires_grad=True)
    rpc.RRef((x * 3).sum()).backward()
    assert torch.equal(x.grad, torch.full((2,), 3.0))
    with dist_autograd.context() as context:
        rpc.RRef((x * 4).sum()).backward(context)
        assert torch.equal(dist_autograd.get_gradients(context)[x], torch.full((2,), 4.0))
    assert torch.equal(x.grad, torch.full((2,), 3.0))
    with pytest.raises(RuntimeError, match="RRef should contain a tensor"):
        rpc.RRef(3).backward()


# ---------------------------------------------------------------- gradients by context


def test_gradients_belong_to_a_context(worker):
    a, b = torch.rand(3, requires_grad=True), torch.rand(3, requires_grad=True)
    with dist_autograd.context() as context:
        loss = rpc.rpc_sync(worker, torch.mul, args=(a, b)).sum()
        dist_autograd.backward(context, [loss])
        gradients = dist_autograd.get_gradients(context)
        assert len(gradients) == 2 and torch.equal(gradients[a], b) and torch.equal(gradients[b], a)
        twice = (a * a).sum()
        dist_autograd.backward(context, [twice], retain_graph=True)
        dist_autograd.backward(context, [twice, a.sum()])
        assert torch.allclose(dist_autograd.get_gradients(context)[a], b + 4 * a + 1)
        assert torch.equal(gradients[a], b)  # what was asked for stays as it was
        with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
            dist_autograd.backward(context, [twice])
    assert a.grad is None and b.grad is None
    with pytest.raises(RuntimeError, match=f"Could not find autograd context with id: {context}"):
        dist_autograd.get_gradients(context)


def test_backward_is_an_ordinary_one(worker):
    x = torch.ones(2, requires_grad=True)
    seen = []
    x.register_hook(lambda g: seen.append(g) or g * 10)
    with dist_autograd.context() as context:
        y = x * 2
        y.retain_grad()
        dist_autograd.backward(context, [y.sum()])
        assert torch.equal(dist_autograd.get_gradients(context)[x], torch.full((2,), 20.0))
    assert len(seen) == 1 and torch.equal(y.grad, torch.ones(2)) and x.grad is None


def test_roots_that_are_refused(worker):
    x = torch.ones(2, requires_grad=True)
    with dist_autograd.context() as context:
        for roots, message in (
            ([x * 2], "is not a scalar, all roots need to be scalar"),
            ([], "No tensors provided for gradient computation."),
            ([torch.ones(())], "requires_grad not set on root"),
        ):
            with pytest.raises(RuntimeError, match=message):
                dist_autograd.backward(context, roots)
        with pytest.raises(TypeError, match="roots"):
            dist_autograd.backward(context, x.sum())
        with pytest.raises(RuntimeError, match="Could not find autograd context with id: 12345"):
            dist_autograd.backward(12345, [x.sum()])
        with pytest.raises(RuntimeError, match=r"Already have an autograd context id for this thread."):
            dist_autograd.context().__enter__()
        root = torch.tensor(3.0, requires_grad=True)
        dist_autograd.backward(context, [root])
        assert dist_autograd.get_gradients(context)[root] == 1
    with dist_autograd.context() as following:
        assert following == context + 1 and dist_autograd.get_gradients(following) == {}


# ---------------------------------------------------------------- the optimizer


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 1)
        torch.nn.init.constant_(self.linear.weight, 0.5)
        torch.nn.init.constant_(self.linear.bias, 0.1)

    def forward(self, x):
        return self.linear(x)


def references(rref):
    return [rpc.RRef(parameter) for parameter in rref.local_value().parameters()]


@pytest.mark.parametrize(("kind", "settings"), [(torch.optim.SGD, {"lr": 0.1}), (torch.optim.Adam, {"lr": 0.1})])
def test_the_optimizer_takes_the_gradients_of_a_context(worker, kind, settings):
    net = rpc.remote(worker, Net)
    parameters = rpc.rpc_sync(worker, references, args=(net,))
    optimizer = DistributedOptimizer(kind, parameters, **settings)
    twin = Net()
    ordinary = kind(twin.parameters(), **settings)
    parameters[0].local_value().grad = torch.ones(1, 2)
    for _ in range(3):
        with dist_autograd.context() as context:
            dist_autograd.backward(context, [(net.rpc_sync().forward(torch.ones(3, 2)) ** 2).mean()])
            optimizer.step(context)
        ordinary.zero_grad()
        (twin(torch.ones(3, 2)) ** 2).mean().backward()
        ordinary.step()
    for reference, parameter in zip(parameters, twin.parameters(), strict=True):
        assert torch.equal(reference.to_here(), parameter)
    assert torch.equal(parameters[0].local_value().grad, torch.ones(1, 2)) and parameters[1].local_value().grad is None
    with pytest.raises(RuntimeError, match="Could not find autograd context with id: 99"):
        optimizer.step(99)


# ---------------------------------------------------------------- futures


def test_futures():
    future = Future()
    assert not future.done()
    with pytest.raises(RuntimeError, match="no value yet"):
        future.value()
    seen = []
    future.add_done_callback(lambda f: seen.append(f.value()))
    doubled = future.then(lambda f: f.value() * 2)
    future.set_result(3)
    future.add_done_callback(lambda f: seen.append(f.value() + 1))
    assert (future.wait(), doubled.wait(), seen) == (3, 6, [3, 4])
    with pytest.raises(RuntimeError, match="Attempting to mark a completed Future as complete again"):
        future.set_result(4)


def test_futures_with_errors(capsys):
    failed = Future()
    failed.set_exception(ValueError("x"))
    for ask in (failed.wait, failed.value, collect_all([failed]).wait, lambda: wait_all([failed])):
        with pytest.raises(ValueError, match="x"):
            ask()
    with pytest.raises(RuntimeError, match=r"Got the following error when running the callback: ValueError: x"):
        failed.then(lambda f: f.value()).wait()
    with pytest.raises(AssertionError, match=r"3 is of type <class 'int'>, not an Exception."):
        Future().set_exception(3)
    failed.add_done_callback(lambda f: 1 / 0)
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_futures_of_several():
    first, second = Future(), Future()
    both = collect_all([first, second])
    second.set_result(2)
    assert not both.done()
    first.set_result(1)
    assert both.wait() == [first, second] and wait_all([first, second]) == [1, 2] and collect_all([]).wait() == []
    assert torch.Future is torch.futures.Future


def test_futures_wait_for_other_threads():
    future = Future()

    def work():
        time.sleep(0.02)
        future.set_result("there")

    thread = threading.Thread(target=work)
    thread.start()
    assert future.wait() == "there"
    thread.join()
