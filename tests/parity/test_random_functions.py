"""The random functions and methods of both libraries on the same seed: values, layouts, gradients and errors."""

import warnings

import numpy as np
import pytest

real = pytest.importorskip("torch")

import chainrule  # noqa: E402

CALLS = """
rand(3)  rand(2, 3)  rand((2, 3))  rand([2, 3])  rand(size=(2,))  rand([])  rand(0)  rand(2, 0, 3)  rand(100, 7)
rand(3, dtype=float64)  rand(3, dtype=float16)  rand(3, dtype=bfloat16)  rand(3, dtype=cfloat)  rand(Size([2]))
rand(3, requires_grad=True)  rand(3, device='cpu')  rand(3, layout=strided)  rand(2, out=empty(2))
rand(2, out=empty(2, dtype=float64))  rand(2, out=empty(2), dtype=float64)  rand(2, dtype=int32)
rand(0, dtype=int32)  rand(2, dtype=bool)  rand(-1)  rand(2, -3)  rand('a')  rand(2.0)  rand(True)  rand((2.5,))
rand(tensor(2))  rand(size=3)  rand(2, generator=Generator())  rand(2, generator=Generator().manual_seed(4))
rand(2, device='cuda')  randn(3)  randn(4, 5)  randn(1000)  randn(15)  randn(16)  randn(17)
randn(3, dtype=float64)  randn(40, dtype=float64)  randn(3, dtype=cfloat)  randn(40, dtype=cdouble)
randn(3, dtype=long)  randn(0, dtype=long)  randn(21, dtype=half)  randn(21, dtype=bfloat16)
randn(3, requires_grad=True)  randn(2, 3, out=empty(6))  randn(2, generator=Generator())  randint(10, (5,))
randint(10, [2, 2])  randint(-3, 7, (5,))  randint(high=5, size=(3,))  randint(low=2, high=5, size=(3,))
randint(5, size=(2,))  randint(2**40, (3,))  randint(2**28, (3,))  randint(2**28 - 1, (3,))
randint(tensor(5), (3,))  randint(-2**63, 2**63 - 1, (3,))  randint(5, (3,), dtype=float)
randint(5, (3,), dtype=uint8)  randint(0, 2, (9,), dtype=bool)
randint(5, (3,), dtype=int32, generator=Generator())  randint(5, 5, (2,))  randint(6, 5, (2,))  randint(5, (0,))
randint(0, 300, (2,), dtype=uint8)  randint(-3, 3, (2,), dtype=uint8)  randint(0, 5, (2,), dtype=bool)
randint(3, (2,), dtype=cfloat)  randint(5, (2,), out=zeros(2))  randint(5, (2,), out=zeros(2, dtype=int64))
randint(5, (2,), requires_grad=True)  randint(5, (2,), dtype=float, requires_grad=True)  randint(5, 2)
randint(0, 2**31, (3,), dtype=int32)  randint(0, 2**31 + 1, (3,), dtype=int32)  randint(3, (2,), dtype=uint16)
randperm(10)  randperm(0)  randperm(1)  randperm(2000)  randperm(5, dtype=int32)  randperm(5, dtype=float)
randperm(n=4)  randperm(5, generator=Generator())  randperm(-1)  randperm(300, dtype=uint8)
randperm(256, dtype=uint8)  randperm(3000, dtype=half)  randperm(2049, dtype=half)  randperm(3, dtype=bool)
randperm(3, dtype=cfloat)  randperm(3.0)  randperm(2**24 + 2, dtype=float)  randperm(2**31 + 2, dtype=int32)
randperm(5, dtype=long, requires_grad=True)  randperm(5, out=zeros(3, dtype=int64))  randperm(4, out=zeros(4))
randperm(tensor(4))  randperm(300, dtype=bfloat16)  rand_like(ones(2, 3))  rand_like(ones(2, 3).t())
rand_like(ones(4, 6)[:, ::2])  rand_like(ones(2, 3), dtype=float64)
rand_like(ones(2, 3).t(), memory_format=contiguous_format)  rand_like(ones(2, 3, 4).permute(2, 0, 1))
rand_like(3)  rand_like(ones(2, dtype=long))  rand_like(ones(2, dtype=long), dtype=float)
rand_like(ones(3), requires_grad=True)  randn_like(ones(3))  randn_like(ones(5, 6))  randn_like(ones(5, 6).t())
randn_like(ones(5, 6)[:, ::2])  randn_like(tensor(1.0))  randn_like(ones(5, 8, dtype=cfloat).t())
randn_like(ones(2, dtype=long))  randn_like(ones(3), generator=Generator())  randint_like(ones(3), 5)
randint_like(ones(3), 2, 5)  randint_like(ones(2, 3).t(), 5)  randint_like(ones(3), high=5, dtype=long)
randint_like(ones(3), low=2, high=5)  randint_like(ones(3), tensor(5))  normal(0.0, 1.0, (3,))
normal(0, 1, (3,))  normal(2.0, 3.0, (40,))  normal(mean=0.0, std=1.0, size=(2,))
normal(1.0, 2.0, (2,), dtype=float64)  normal(0.0, -1.0, (3,))  normal(zeros(3), 1.0)  normal(zeros(3), 2.5)
normal(zeros(3))  normal(zeros(3), -1.0)  normal(0.5, ones(3))  normal(1, ones(3))
normal(arange(1.0, 11.0), arange(1, 0, -0.1))  normal(arange(20.0), arange(20.0))  normal(zeros(2, 1), ones(3))
normal(zeros(3), ones(2, 1))  normal(zeros(3), ones(2))  normal(zeros(3), tensor([1, -1.0, 1]))
normal(zeros(3, dtype=float64), ones(3))  normal(zeros(3), ones(3, dtype=float64) / 3)
normal(zeros(3), tensor(1 / 3, dtype=float64))  normal(zeros(3, dtype=half), ones(3) / 3)
normal(zeros(3, dtype=long), 1.0)  normal(zeros(3, dtype=cfloat), 1.0)  normal(zeros(3), ones(3, dtype=cfloat))
normal(zeros(3), zeros(3, dtype=long))  normal(1.5, ones(3, dtype=long))  normal(zeros(0), ones(0))
normal(zeros(3), nan)  normal(ones(3, 7).t(), 1.0)  normal(zeros(3), ones(3) * 2, generator=Generator())
normal(1.0, 2.0, size=(2,), out=zeros(3))  normal(0.0, 1.0, (20,), out=zeros(20))
normal(zeros(3, requires_grad=True), 1.0)  normal(0.0, ones(3, requires_grad=True))
normal(zeros(3), ones(3, requires_grad=True))  bernoulli(rand(9))  bernoulli(rand(9, dtype=float64))
bernoulli(rand(9, dtype=half))  bernoulli(rand(3, 4).t())  bernoulli(zeros(9), 0.3)  bernoulli(zeros(9), p=0.3)
bernoulli(input=rand(3))  bernoulli(tensor([2.0, 0.5]))  bernoulli(tensor([nan, 0.5]))
bernoulli(tensor([2, 1]))  bernoulli(tensor([True]))  bernoulli(ones(1), 1.5)  bernoulli(rand(0))
bernoulli(rand(3), out=zeros(3, dtype=long))  bernoulli(rand(3), out=zeros(2))
bernoulli(rand(3, requires_grad=True))  rand(3).bernoulli()  rand(3).bernoulli(0.3)  rand(3).bernoulli(p=0.3)
bernoulli(rand(3), generator=Generator())  multinomial(tensor([1.0, 2, 3]), 1)
multinomial(tensor([1.0, 2, 3]), 2)  multinomial(tensor([1.0, 2, 3]), 5, True)  multinomial(rand(3, 4), 2)
multinomial(rand(3, 4).t(), 2)  multinomial(rand(3, 4), 6, replacement=True)  rand(5).multinomial(3)
multinomial(rand(3, 4, dtype=float64), num_samples=2)  multinomial(rand(3), 4)  multinomial(rand(3), 0)
multinomial(ones(3, dtype=long), 1)  multinomial(ones(1, 1, 3), 1)  multinomial(tensor(1.0), 1)
multinomial(tensor([-1.0, 2]), 1)  multinomial(tensor([-1.0, 2]), 2, True)  multinomial(tensor([0.0, 0]), 2)
multinomial(tensor([0.0, 0]), 2, True)  multinomial(tensor([inf, 0]), 2, True)  multinomial(tensor([nan, 0]), 1)
multinomial(tensor([nan, 0]), 2, True)  multinomial(zeros(2, 3), 1)  multinomial(ones(0, 3), 2)
multinomial(ones(2, 0), 1)  multinomial(ones(3), 2, out=zeros(2))
multinomial(ones(3), 2, out=zeros(5, dtype=int64))  multinomial(rand(3), 2, generator=Generator())
multinomial(rand(3, requires_grad=True), 2)  multinomial(rand(200), 100)  multinomial(rand(200), 300, True)
poisson(rand(9) * 20)  poisson(rand(9, dtype=float64))  poisson(tensor([-1.0]))  poisson(tensor([1]))
poisson(rand(3, 4).t())  poisson(rand(3), Generator())  poisson(rand(3), generator=Generator())
poisson(tensor(3.0))  poisson(rand(3, requires_grad=True))  binomial(tensor([5.0, 50]), tensor([0.5, 0.3]))
binomial(tensor(5.0), tensor([0.5, 0.3]))  binomial(ones(2), ones(2, 1) / 2)
binomial(ones(2, dtype=long), ones(2))  binomial(ones(2), ones(2, dtype=float64))
binomial(ones(2, dtype=half), ones(2, dtype=half))  zeros(3).uniform_()  zeros(3).uniform_(2, 5)
zeros(3).uniform_(to=5)  zeros(3).uniform_(-0.3, 0.3)  zeros(4, 5).t().uniform_()
zeros(3, dtype=cfloat).uniform_(2, 3)  zeros(3).uniform_(2, 1)  zeros(3).uniform_(0, 1e39)
zeros(3).uniform_(nan, 1)  zeros(3, dtype=half).uniform_(-65504, 65504)  zeros(3, dtype=long).uniform_()
zeros(0, dtype=long).uniform_()  zeros(3).uniform_('a')  zeros(3).uniform_(0.1, 0.7, generator=Generator())
zeros(3).uniform_(tensor(1.0), tensor(2.0))  zeros(4, 6)[:, ::2].uniform_()
zeros(2, 3, 4).permute(1, 2, 0).uniform_()  zeros(2).expand(3, 2).uniform_()  tensor(0.0).uniform_()
zeros(3).normal_()  zeros(3).normal_(1, 2)  zeros(3).normal_(mean=1)  zeros(3).normal_(1, std=2)
zeros(30).normal_(1, 2)  zeros(3).normal_(0, -1)  zeros(5, 6).t().normal_()  zeros(5, 6)[:, ::2].normal_()
zeros(3, dtype=bool).normal_()  zeros(3, dtype=cfloat).normal_(1, 2)  zeros(5, 6, dtype=cfloat).t().normal_()
zeros(3).expand(2, 3).normal_()  zeros(3).normal_(1, std=2, generator=Generator())
zeros(0, dtype=long).normal_()  tensor(0.0, dtype=float64).normal_()  zeros(3).random_()  zeros(3).random_(5)
zeros(3).random_(2, 5)  zeros(3).random_(2, None)  zeros(3).random_(to=5)  zeros(3).random_(5, 5)
zeros(3, dtype=long).random_()  zeros(3, dtype=long).random_(-2**63, None)  zeros(3, dtype=bool).random_()
zeros(3, dtype=int32).random_(2**31 - 5, None)  zeros(3, dtype=int32).random_(-2**63, None)
zeros(3, dtype=uint8).random_()  zeros(3, dtype=cfloat).random_()  zeros(3, dtype=cfloat).random_(3)
zeros(3, dtype=bool).random_(5, None)  zeros(3, dtype=half).random_(0, 70000)
zeros(3, dtype=half).random_(0, 65504)  zeros(3, dtype=half).random_(100001, 100003)
zeros(3).random_(2**24 + 1, 2**24 + 2)  zeros(3).random_(2**24 + 10)  zeros(3).random_(2**63 - 1)
zeros(3).random_(2049, None)  zeros(3).random_(2**24 + 1, None)  zeros(3).random_(-2**53 - 3, -2**53 - 1)
zeros(3, dtype=bfloat16).random_(2**40, 2**40 + 3)  zeros(3, dtype=bfloat16).random_(-2**63 + 1, None)
zeros(3, dtype=float64).random_(-5, None)  zeros(3, dtype=uint16).random_()
zeros(3, dtype=uint16).random_(5, None)  zeros(3, dtype=half).random_(2048, None)
zeros(0, dtype=cfloat).random_()  zeros(3).exponential_()  zeros(3).exponential_(2)
zeros(3).exponential_(lambd=0.5)  zeros(3).exponential_(0)  zeros(3, dtype=long).exponential_()
zeros(4, 5).t().exponential_()  zeros(3, dtype=half).exponential_()  zeros(3).exponential_(inf)
zeros(3).geometric_(0.3)  zeros(3).geometric_(p=0.3)  zeros(3, dtype=long).geometric_(0.1)
zeros(3, dtype=bool).geometric_(0.5)  zeros(3).geometric_(1)  zeros(3).geometric_(0)
zeros(3, dtype=uint8).geometric_(0.5)  zeros(3).log_normal_()  zeros(3).log_normal_(mean=1, std=2)
zeros(3).log_normal_(0, 0)  zeros(3, dtype=long).log_normal_()  zeros(3).log_normal_(800, 1)
zeros(3, dtype=float64).log_normal_(800, 1)  zeros(3).cauchy_()  zeros(3).cauchy_(1, 2)
zeros(3).cauchy_(median=0, sigma=1)  zeros(3).cauchy_(0, 0)  zeros(3, dtype=long).cauchy_()
zeros(3, dtype=cfloat).cauchy_()  zeros(9).bernoulli_()  zeros(9).bernoulli_(0.2)  zeros(9).bernoulli_(p=0.2)
zeros(9).bernoulli_(rand(9))  zeros(9).bernoulli_(2)  zeros(9, dtype=long).bernoulli_(0.7)
zeros(9, dtype=bool).bernoulli_()  zeros(3, 4).t().bernoulli_(rand(4, 3))  zeros(3, 4).t().bernoulli_(rand(3))
zeros(3).bernoulli_(rand(2))  zeros(3, dtype=cfloat).bernoulli_()  zeros(3).bernoulli_(tensor([0, 1, 1]))
zeros(3).bernoulli_(rand(3, dtype=float64))  zeros(3, dtype=uint16).bernoulli_()
zeros(3, requires_grad=True).normal_()  zeros(3, requires_grad=True).data.normal_()
zeros(3, requires_grad=True).bernoulli_()
"""


def split(text):
    return [call for line in text.strip().splitlines() for call in line.split("  ") if call]


def names(library):
    found = {"nan": float("nan"), "inf": float("inf")}
    for name in set("".join(c if c.isalnum() or c == "_" else " " for c in CALLS).split()):
        if hasattr(library, name):
            found[name] = getattr(library, name)
    return found


OURS, THEIRS = names(chainrule), names(real)


def run(library, scope, call):
    """(what a call gave: the result or an error, the warnings, the next number of the stream)."""
    library.manual_seed(7)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = eval(call, {}, scope)
        except Exception as error:
            result = error
    texts = [str(w.message).split(" (Triggered internally")[0] for w in caught]
    # PyTorch's binomial resizes a tensor of its own, and warns the user of it.
    texts = [text for text in texts if not (call.startswith("binomial") and text.startswith("An output"))]
    return result, texts, library.rand(1).item()


def values(tensor):
    array = tensor.detach().contiguous()
    if str(array.dtype) == "torch.bfloat16":
        array = array.float()
    return array.numpy().reshape(-1)


@pytest.mark.parametrize("call", split(CALLS))
def test_call(call):
    ours, our_warnings, our_next = run(chainrule, OURS, call)
    theirs, their_warnings, their_next = run(real, THEIRS, call)
    if isinstance(theirs, Exception):
        assert type(ours) is type(theirs), f"{ours!r} instead of {theirs!r}"
        first = str(theirs).split("\n")[0]
        if "invalid combination" not in first:
            assert str(ours).split("\n")[0] == first
        return
    assert isinstance(ours, chainrule.Tensor), repr(ours)
    assert str(ours.dtype) == str(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    if theirs.numel():
        assert ours.stride() == theirs.stride()
    assert np.array_equal(values(ours).view(np.uint8), values(theirs).view(np.uint8)), (ours, theirs)
    assert our_next == their_next
    assert our_warnings == their_warnings
    assert ours.requires_grad == theirs.requires_grad
    assert type(ours.grad_fn).__name__ == type(theirs.grad_fn).__name__


GRADIENTS = [
    "bernoulli(p)",
    "poisson(p)",
    "normal(p, 1.0)",
    "normal(0.0, p)",
    "normal(p, p)",
    "normal(zeros(2, 3), p)",
    "zeros(3).bernoulli_(p)",
    "zeros(2, 3).bernoulli_(p)",
    *[
        f"(p * 1).{method}"
        for method in (
            "uniform_()",
            "normal_()",
            "random_(1, 5)",
            "exponential_()",
            "geometric_(0.5)",
            "log_normal_()",
            "cauchy_()",
            "bernoulli_(0.5)",
            "bernoulli_(p)",
        )
    ],
]


@pytest.mark.parametrize("call", GRADIENTS)
def test_gradients_are_zero(call):
    results = []
    for library, scope in ((chainrule, OURS), (real, THEIRS)):
        library.manual_seed(3)
        p = library.tensor([0.2, 0.5, 0.7], requires_grad=True)
        result = eval(call, {}, {**scope, "p": p})
        result.sum().backward()
        results.append((type(result.grad_fn).__name__, result.tolist(), p.grad.tolist()))
    assert results[0] == results[1]


def test_a_write_counts_and_reaches_the_base():
    for library in (chainrule, real):
        x = library.zeros(2, 3)
        x.t()[1:].normal_()
        assert x._version == 1
        assert [[v != 0 for v in row] for row in x.tolist()] == [[False, True, True]] * 2


def test_gradient_past_a_write_to_a_part():
    grads = []
    for library in (chainrule, real):
        p = library.ones(4, requires_grad=True)
        x = p * 3
        x[1:3].uniform_()
        x.sum().backward()
        grads.append(p.grad.tolist())
    assert grads[0] == grads[1] == [3, 0, 0, 3]


def test_default_dtype():
    for library in (chainrule, real):
        library.set_default_dtype(library.float64)
    try:
        for call in ("rand(3)", "randn(20)", "normal(0.0, 1.0, (3,))"):
            ours, theirs = run(chainrule, OURS, call)[0], run(real, THEIRS, call)[0]
            assert str(ours.dtype) == str(theirs.dtype) == "torch.float64"
            assert ours.tolist() == theirs.tolist()
    finally:
        for library in (chainrule, real):
            library.set_default_dtype(library.float32)


def test_state_between_libraries():
    real.manual_seed(11)
    real.randn(5)
    chainrule.set_rng_state(chainrule.from_numpy(real.get_rng_state().numpy()))
    assert chainrule.randn(30).tolist() == real.randn(30).tolist()
    assert chainrule.get_rng_state().tolist() == real.get_rng_state().tolist()
    assert chainrule.initial_seed() == real.initial_seed() == 11


GENERATOR_CALLS = """
manual_seed(-1).initial_seed()  Generator().initial_seed()  Generator().manual_seed(-5).initial_seed()
Generator().manual_seed(1.5)  manual_seed(1.7).initial_seed()  manual_seed(2**64)
Generator().manual_seed(2**64)  manual_seed(-2**63).initial_seed()  manual_seed(-2**63 - 1)
manual_seed(2**64 - 1).initial_seed()  Generator().manual_seed('a')  manual_seed('3').initial_seed()
manual_seed('a')  Generator().set_state(zeros(5056, dtype=uint8))  Generator().set_state(zeros(5, dtype=uint8))
Generator().set_state(zeros(5056))  Generator().set_state(3)  set_rng_state(3)  Generator().get_offset()
Generator().set_offset(3)  Generator().get_state().shape  Generator().get_state().dtype  Generator().device.type
Generator('cpu').device.type  Generator(device='cpu').initial_seed()  get_rng_state().shape
random.fork_rng(devices=[0]).__enter__()  random.fork_rng(device_type='foo').__enter__()  random.initial_seed()
Generator().manual_seed(5).clone_state().initial_seed()  Generator().manual_seed(True)
manual_seed(True).initial_seed()
"""


@pytest.mark.parametrize("call", split(GENERATOR_CALLS))
def test_generator(call):
    results = []
    for library in (chainrule, real):
        library.manual_seed(1)
        scope = {n: getattr(library, n) for n in ("manual_seed", "Generator", "zeros", "uint8", "random")}
        scope |= {n: getattr(library, n) for n in ("set_rng_state", "get_rng_state")}
        try:
            results.append(repr(eval(call, {}, scope)))
        except Exception as error:
            results.append((type(error), str(error)))
    assert results[0] == results[1]


def test_fork_rng():
    drawn = []
    for library in (chainrule, real):
        library.manual_seed(2)
        with library.random.fork_rng():
            inside = library.rand(2)
            library.manual_seed(9)
        with library.random.fork_rng(enabled=False):
            library.rand(1)

        @library.random.fork_rng()
        def noise(library=library):
            return library.randn(3)

        with pytest.raises(ZeroDivisionError), library.random.fork_rng(devices=[]):
            library.rand(3)
            1 / 0
        drawn.append([inside.tolist(), noise().tolist(), library.rand(4).tolist()])
    assert drawn[0] == drawn[1]


def test_copies_of_a_generator():
    import copy
    import pickle

    for library in (chainrule, real):
        generator = library.Generator().manual_seed(3)
        library.rand(5, generator=generator)
        for other in (copy.deepcopy(generator), pickle.loads(pickle.dumps(generator)), generator.clone_state()):
            assert other.initial_seed() == 3
            assert (
                library.rand(4, generator=other).tolist() == library.rand(4, generator=generator.clone_state()).tolist()
            )
