"""torch.random, and the random functions and methods: what PyTorch 2.13 prints for them after ``manual_seed(7)``.

tests/test_generator.py has the numbers to the last bit, tests/parity/test_random_functions.py many more calls.
"""

import copy
import pickle
import warnings

import pytest

import chainrule
from chainrule import dtypes
from chainrule.ops.whole_range import whole_range

RESULTS = [
    ("rand(3)", "tensor([0.5349, 0.1988, 0.6592])"),
    ("rand([])", "tensor(0.5349)"),
    ("rand(2, 0, 3)", "tensor([], size=(2, 0, 3))"),
    ("rand(3, dtype=float16)", "tensor([0.5352, 0.1989, 0.6592], dtype=torch.float16)"),
    ("rand(3, dtype=bfloat16)", "tensor([0.5352, 0.1992, 0.6602], dtype=torch.bfloat16)"),
    ("rand(3, dtype=cfloat)", "tensor([0.5349+0.1988j, 0.6592+0.6569j, 0.2328+0.4251j])"),
    ("rand(3, requires_grad=True)", "tensor([0.5349, 0.1988, 0.6592], requires_grad=True)"),
    ("rand(2, out=empty(2, dtype=float64))", "tensor([0.2794, 0.2737], dtype=torch.float64)"),
    ("randn(3, dtype=cfloat)", "tensor([-0.1038+0.5559j,  0.6695-0.7880j,  1.1956-0.6327j])"),
    ("randn(0, dtype=long)", "tensor([], dtype=torch.int64)"),
    ("randint(10, (5,))", "tensor([5, 2, 1, 6, 3])"),
    ("randint(-3, 7, (5,))", "tensor([ 2, -1, -2,  3,  0])"),
    ("randint(high=5, size=(3,))", "tensor([0, 2, 1])"),
    ("randint(5, size=(2,))", "tensor([0, 2])"),
    ("randint(2**40, (3,))", "tensor([752595690692, 108744157686, 291964244179])"),
    ("randint(5, (3,), dtype=float)", "tensor([0., 2., 1.])"),
    ("randint(0, 2, (9,), dtype=bool)", "tensor([ True, False,  True, False,  True,  True,  True,  True, False])"),
    ("randint(5, (2,), out=zeros(2))", "tensor([0., 2.])"),
    ("randperm(10)", "tensor([5, 0, 3, 4, 1, 7, 9, 6, 8, 2])"),
    ("randperm(0)", "tensor([], dtype=torch.int64)"),
    ("randperm(2000)", "tensor([1615,  344,  801,  ...,  848, 1640, 1571])"),
    ("randperm(5, out=zeros(3, dtype=int64))", "tensor([0, 1, 3, 2, 4])"),
    ("rand_like(ones(2, dtype=long), dtype=float)", "tensor([0.5349, 0.1988])"),
    ("randn_like(tensor(1.0))", "tensor(-0.1468)"),
    ("randint_like(ones(3), 5)", "tensor([0., 2., 1.])"),
    ("randint_like(ones(3), 2, 5)", "tensor([2., 3., 3.])"),
    ("normal(1.0, 2.0, (2,), dtype=float64)", "tensor([0.7064, 2.5723], dtype=torch.float64)"),
    ("normal(zeros(3), 2.5)", "tensor([-0.3670,  1.9654,  2.3671])"),
    ("normal(0.5, ones(3))", "tensor([0.3532, 1.2861, 1.4468])"),
    ("normal(zeros(3), tensor(1 / 3, dtype=float64))", "tensor([-0.0489,  0.2620,  0.3156])"),
    ("normal(zeros(3, dtype=half), ones(3) / 3)", "tensor([-0.0490,  0.2620,  0.3157], dtype=torch.float16)"),
    ("normal(1.0, 2.0, size=(2,), out=zeros(3))", "tensor([0.7064, 2.5723])"),
    ("normal(zeros(3, requires_grad=True), 1.0)", "tensor([-0.1468,  0.7861,  0.9468], grad_fn=<NormalBackward1>)"),
    ("normal(0.0, ones(3, requires_grad=True))", "tensor([-0.1468,  0.7861,  0.9468], grad_fn=<NormalBackward2>)"),
    ("normal(zeros(3), ones(3, requires_grad=True))", "tensor([-0.1468,  0.7861,  0.9468], grad_fn=<NormalBackward3>)"),
    ("bernoulli(rand(9, dtype=float64))", "tensor([0., 1., 1., 1., 1., 1., 0., 1., 0.], dtype=torch.float64)"),
    ("bernoulli(zeros(9), 0.3)", "tensor([1., 1., 0., 0., 0., 0., 1., 0., 0.])"),
    ("bernoulli(rand(3), out=zeros(2))", "tensor([0., 0., 1.])"),
    ("bernoulli(rand(3, requires_grad=True))", "tensor([0., 0., 1.], grad_fn=<BernoulliBackward0>)"),
    ("rand(3).bernoulli(p=0.3)", "tensor([1., 0., 1.])"),
    ("multinomial(tensor([1.0, 2, 3]), 1)", "tensor([1])"),
    ("multinomial(tensor([1.0, 2, 3]), 2)", "tensor([1, 0])"),
    ("multinomial(tensor([1.0, 2, 3]), 5, True)", "tensor([1, 1, 2, 2, 2])"),
    ("rand(5).multinomial(3)", "tensor([1, 3, 0])"),
    ("multinomial(ones(0, 3), 2)", "tensor([], size=(0, 2), dtype=torch.int64)"),
    ("multinomial(ones(3), 2, out=zeros(5, dtype=int64))", "tensor([1, 0])"),
    ("poisson(rand(9) * 20)", "tensor([14.,  7., 19., 14.,  3., 10.,  5., 10.,  6.])"),
    ("poisson(tensor(3.0))", "tensor(3.)"),
    ("poisson(rand(3, requires_grad=True))", "tensor([0., 0., 0.], grad_fn=<PoissonBackward0>)"),
    ("binomial(tensor(5.0), tensor([0.5, 0.3]))", "tensor([3., 2.])"),
    ("zeros(3).uniform_(-0.3, 0.3)", "tensor([ 0.0210, -0.1807,  0.0955])"),
    ("zeros(3, dtype=cfloat).uniform_(2, 3)", "tensor([2.5349+2.1988j, 2.6592+2.6569j, 2.2328+2.4251j])"),
    ("zeros(3).uniform_(tensor(1.0), tensor(2.0))", "tensor([1.5349, 1.1988, 1.6592])"),
    ("zeros(3).normal_(1, std=2)", "tensor([0.7064, 2.5723, 2.8936])"),
    ("zeros(3).random_()", "tensor([ 8974492.,  3335306., 11059538.])"),
    ("zeros(3).random_(5)", "tensor([0., 2., 1.])"),
    ("zeros(3).random_(2, 5)", "tensor([2., 3., 3.])"),
    ("zeros(3).random_(2, None)", "tensor([ 8974532.,  3335424., 11059938.])"),
    (
        "zeros(3, dtype=long).random_(-2**63, None)",
        "tensor([ 1407639518939636932, -4059781650074555914,  8087222774582268115])",
    ),
    ("zeros(3, dtype=bool).random_()", "tensor([ True, False,  True])"),
    ("zeros(3, dtype=uint16).random_(5, None)", "tensor([21089,  1997, 43130], dtype=torch.uint16)"),
    ("zeros(3).random_(2049, None)", "tensor([ 9015472.,  3456197., 11469338.])"),
    ("zeros(3).exponential_(2)", "tensor([0.1638, 0.1599, 0.9906])"),
    ("zeros(3).exponential_(inf)", "tensor([0., 0., 0.])"),
    ("zeros(3).geometric_(0.3)", "tensor([4., 4., 1.])"),
    ("zeros(3).log_normal_(mean=1, std=2)", "tensor([ 2.0267, 13.0957, 18.0590])"),
    ("zeros(3).cauchy_(1, 2)", "tensor([-0.6611, -0.7224,  5.3238])"),
    ("zeros(9).bernoulli_(0.2)", "tensor([0., 0., 0., 0., 0., 0., 0., 0., 0.])"),
    ("zeros(9).bernoulli_(rand(9))", "tensor([0., 0., 1., 1., 1., 0., 0., 0., 1.])"),
    ("zeros(3).bernoulli_(rand(3, dtype=float64))", "tensor([0., 0., 1.])"),
]

ERRORS = [
    (
        "rand(2, out=empty(2), dtype=float64)",
        RuntimeError,
        "dtype Double does not match dtype of out parameter (Float)",
    ),
    ("rand(2, dtype=int32)", NotImplementedError, "\"check_uniform_bounds\" not implemented for 'Int'"),
    ("rand(-1)", RuntimeError, "Trying to create tensor with negative dimension -1: [-1]"),
    ("rand(2, -3)", RuntimeError, "Trying to create tensor with negative dimension -3: [2, -3]"),
    ("rand('a')", TypeError, "rand(): argument 'size' (position 1) must be tuple of ints, not str"),
    (
        "rand((2.5,))",
        TypeError,
        "rand(): argument 'size' (position 1) must be tuple of ints, but found element of type float at pos 0",
    ),
    ("rand(size=3)", TypeError, "rand(): argument 'size' must be tuple of ints, not int"),
    ("rand(2, device='cuda')", AssertionError, "Torch not compiled with CUDA enabled"),
    ("randn(3, dtype=long)", NotImplementedError, "\"normal_kernel_cpu\" not implemented for 'Long'"),
    ("randint(5, 5, (2,))", RuntimeError, "random_ expects 'from' to be less than 'to', but got from=5 >= to=5"),
    ("randint(0, 300, (2,), dtype=uint8)", RuntimeError, "to - 1 is out of bounds for unsigned char"),
    ("randint(-3, 3, (2,), dtype=uint8)", RuntimeError, "from is out of bounds for unsigned char"),
    (
        "randint(3, (2,), dtype=cfloat)",
        RuntimeError,
        "check_random_bounds handles only integral, floating-point and boolean types",
    ),
    (
        "randint(5, (2,), requires_grad=True)",
        RuntimeError,
        "Only Tensors of floating point and complex dtype can require gradients",
    ),
    ("randint(5, 2)", TypeError, "randint(): argument 'size' (position 2) must be tuple of ints, not int"),
    ("randperm(300, dtype=uint8)", RuntimeError, "value cannot be converted to type uint8_t without overflow"),
    ("randperm(3000, dtype=half)", RuntimeError, "n cannot be greater than 2049 for Half type."),
    ("randperm(3, dtype=bool)", NotImplementedError, "\"randperm\" not implemented for 'Bool'"),
    ("randperm(3.0)", TypeError, "randperm(): argument 'n' (position 1) must be int, not float"),
    ("randperm(2**24 + 2, dtype=float)", RuntimeError, "n cannot be greater than 2^24+1 for Float type."),
    ("randperm(2**31 + 2, dtype=int32)", RuntimeError, "value cannot be converted to type int without overflow"),
    ("rand_like(3)", TypeError, "rand_like(): argument 'input' (position 1) must be Tensor, not int"),
    ("normal(0.0, -1.0, (3,))", RuntimeError, "normal expects std >= 0.0, but found std -1"),
    (
        "normal(zeros(3), ones(2))",
        RuntimeError,
        "The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 0",
    ),
    ("normal(zeros(3), tensor([1, -1.0, 1]))", RuntimeError, "normal expects all elements of std >= 0.0"),
    ("normal(zeros(3), ones(3, dtype=cfloat))", RuntimeError, "normal expects standard deviation to be non-complex"),
    ("normal(zeros(3), nan)", RuntimeError, "normal expects std >= 0.0, but found std nan"),
    (
        "bernoulli(tensor([2.0, 0.5]))",
        RuntimeError,
        "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be "
        "improved?  If so, please report an enhancement request to PyTorch.)",
    ),
    ("bernoulli(tensor([2, 1]))", NotImplementedError, "\"bernoulli_tensor_cpu_p_\" not implemented for 'Long'"),
    ("bernoulli(ones(1), 1.5)", RuntimeError, "bernoulli_ expects p to be in [0, 1], but got p=1.5"),
    (
        "multinomial(rand(3), 4)",
        RuntimeError,
        "cannot sample n_sample > prob_dist.size(-1) samples without replacement",
    ),
    ("multinomial(rand(3), 0)", RuntimeError, "cannot sample n_sample <= 0 samples"),
    (
        "multinomial(ones(3, dtype=long), 1)",
        RuntimeError,
        "multinomial only supports floating-point dtypes for input, got: Long",
    ),
    ("multinomial(ones(1, 1, 3), 1)", RuntimeError, "prob_dist must be 1 or 2 dim"),
    (
        "multinomial(tensor([-1.0, 2]), 1)",
        RuntimeError,
        "probability tensor contains either `inf`, `nan` or element < 0",
    ),
    (
        "multinomial(tensor([-1.0, 2]), 2, True)",
        RuntimeError,
        "invalid multinomial distribution (encountering probability entry < 0)",
    ),
    ("multinomial(tensor([0.0, 0]), 2)", RuntimeError, "invalid multinomial distribution (sum of probabilities <= 0)"),
    (
        "multinomial(tensor([inf, 0]), 2, True)",
        RuntimeError,
        "invalid multinomial distribution (encountering probability entry = infinity or NaN)",
    ),
    ("multinomial(ones(3), 2, out=zeros(2))", RuntimeError, "multinomial expects Long tensor out, got: Float"),
    ("poisson(tensor([-1.0]))", RuntimeError, "invalid Poisson rate, expected rate to be non-negative"),
    ("poisson(tensor([1]))", NotImplementedError, "\"poisson_cpu\" not implemented for 'Long'"),
    (
        "binomial(ones(2, dtype=long), ones(2))",
        ValueError,
        "binomial only supports floating-point dtypes for count, got: Long",
    ),
    ("binomial(ones(2), ones(2, dtype=float64))", RuntimeError, "Found dtype Double but expected Float"),
    (
        "binomial(ones(2, dtype=half), ones(2, dtype=half))",
        NotImplementedError,
        "\"binomial_cpu\" not implemented for 'Half'",
    ),
    ("zeros(3).uniform_(2, 1)", RuntimeError, "uniform_ expects to return a [from, to) range, but found from=2 > to=1"),
    ("zeros(3).uniform_(0, 1e39)", RuntimeError, "to is out of bounds for float"),
    (
        "zeros(3, dtype=half).uniform_(-65504, 65504)",
        RuntimeError,
        "uniform_ expects to-from <= std::numeric_limits<Half>::max(), but found to=65504 and "
        "from=-65504 which result in to-from to exceed the limit",
    ),
    ("zeros(3).uniform_('a')", TypeError, "uniform_(): argument 'from' (position 1) must be float, not str"),
    (
        "zeros(2).expand(3, 2).uniform_()",
        RuntimeError,
        "unsupported operation: more than one element of the written-to tensor refers to a single "
        "memory location. Please clone() the tensor before performing the operation.",
    ),
    (
        "zeros(3, dtype=int32).random_(-2**63, None)",
        RuntimeError,
        "random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16",
    ),
    (
        "zeros(3, dtype=cfloat).random_()",
        NotImplementedError,
        "\"random_kernel_cpu\" not implemented for 'ComplexFloat'",
    ),
    (
        "zeros(3).random_(2**24 + 1, None)",
        RuntimeError,
        "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to "
        "dtype, but got from=16777217 > to_inc=16777216",
    ),
    (
        "zeros(3).random_(-2**53 - 3, -2**53 - 1)",
        RuntimeError,
        "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got "
        "from=-9007199254740995 >= to=-9007200328482816",
    ),
    ("zeros(3).exponential_(0)", RuntimeError, "exponential_ expects lambda > 0.0, but found lambda=0"),
    (
        "zeros(3, dtype=long).exponential_()",
        RuntimeError,
        "Exponential distribution is a continuous probability distribution. dtype must be a "
        "floating point but you specified Long",
    ),
    ("zeros(3, dtype=bool).geometric_(0.5)", NotImplementedError, "\"geometric_cpu\" not implemented for 'Bool'"),
    ("zeros(3).geometric_(1)", RuntimeError, "geometric_ expects p to be in (0, 1), but got p=1"),
    ("zeros(3).log_normal_(0, 0)", RuntimeError, "log_normal_ expects std > 0.0, but found std=0"),
    ("zeros(3, dtype=long).log_normal_()", NotImplementedError, "\"log_normal_cpu\" not implemented for 'Long'"),
    ("zeros(3).cauchy_(0, 0)", RuntimeError, "cauchy_ expects sigma > 0.0, but found sigma=0"),
    (
        "zeros(3, dtype=long).cauchy_()",
        RuntimeError,
        "Cauchy distribution is a continuous probability distribution. dtype must be a floating "
        "point but you specified long int",
    ),
    (
        "zeros(3, dtype=cfloat).cauchy_()",
        RuntimeError,
        "Cauchy distribution is a continuous probability distribution. dtype must be a floating "
        "point but you specified c10::complex<float>",
    ),
    (
        "zeros(3).bernoulli_(rand(2))",
        RuntimeError,
        "The expanded size of the tensor (3) must match the existing size (2) at non-singleton "
        "dimension 0.  Target sizes: [3].  Tensor sizes: [2]",
    ),
    (
        "zeros(3, dtype=cfloat).bernoulli_()",
        NotImplementedError,
        "\"bernoulli_scalar_cpu_\" not implemented for 'ComplexFloat'",
    ),
    (
        "zeros(3, requires_grad=True).normal_()",
        RuntimeError,
        "a leaf Variable that requires grad is being used in an in-place operation.",
    ),
    ("rand()", TypeError, 'rand() missing 1 required positional arguments: "size"'),
    ("rand(3, generator=3)", TypeError, "generator must be a torch.Generator, not int"),
    ("randint(5)", TypeError, 'randint() missing 1 required positional arguments: "size"'),
    ("randint(0, 5.5, (2,))", TypeError, "randint(): argument 'high' must be int, not float"),
    ("normal(2, 3)", TypeError, 'normal() missing 1 required positional arguments: "size"'),
    ("bernoulli(3)", TypeError, "bernoulli(): argument 'input' (position 1) must be Tensor, not int"),
    ("multinomial(3, 1)", TypeError, "multinomial(): argument 'input' (position 1) must be Tensor, not int"),
    ("poisson(3)", TypeError, "poisson(): argument 'input' (position 1) must be Tensor, not int"),
    ("binomial(3, 1)", TypeError, "binomial(): argument 'count' (position 1) must be Tensor, not int"),
]


class Names(dict):
    """The names of a call: chainrule's, its dtypes', and the numbers nan and inf."""

    def __missing__(self, name):
        if name in ("nan", "inf"):
            return float(name)
        short = {"float": dtypes.float32, "bool": dtypes.bool_, "int": dtypes.int32}
        return short.get(name) or getattr(dtypes, name, None) or getattr(chainrule, name)


def run(call):
    chainrule.manual_seed(7)
    return eval(call, {"__builtins__": {}}, Names())


@pytest.mark.parametrize(("call", "printed"), RESULTS)
def test_result(call, printed):
    assert repr(run(call)) == printed


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_error(call, error, message):
    with pytest.raises(error) as caught:
        run(call)
    assert str(caught.value).split("\n")[0] == message


def test_a_floating_dtype_that_skips_numbers_warns():
    with pytest.warns(UserWarning, match=r"^to - 1 is out of bounds \[-\(2\^24\), 2\^24\]\. Due to precision"):
        chainrule.zeros(3).random_(2**24 + 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chainrule.zeros(3).random_(2**24)


def test_bounds_move_inside_what_rounding_reaches():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert whole_range(dtypes.float16, 0, 65504) == (0, 65472)
        assert whole_range(dtypes.bfloat16, -(2**63) + 1, None) == (-(2**63) + 2**55, 257)
        assert whole_range(dtypes.float32, 2**24 + 1, 2**24 + 2) == (2**24 + 1, 2**24 + 2)
        assert whole_range(dtypes.float64, 2**63 - 5, 2**63 - 1)[0] == -(2**63) + 2**10


def test_layouts():
    x = chainrule.zeros(2, 3)
    for function in (chainrule.rand_like, chainrule.randn_like, lambda x: chainrule.randint_like(x, 5)):
        assert function(x.t()).stride() == (1, 3)
    in_order = chainrule.rand_like(x.t(), memory_format=chainrule.contiguous_format)
    assert in_order.stride() == (2, 1)
    for function in (chainrule.bernoulli, chainrule.poisson, lambda x: chainrule.normal(x, 1.0)):
        assert function(x.t()).stride() == (2, 1)


def test_views_are_filled_in_the_order_of_memory():
    chainrule.manual_seed(7)
    transposed = chainrule.zeros(5, 6).t().uniform_()
    chainrule.manual_seed(7)
    assert transposed.t().tolist() == chainrule.rand(5, 6).tolist()


def test_a_write_through_a_view():
    x = chainrule.zeros(2, 3)
    x.t()[1:].normal_()
    assert x._version == 1
    assert [[v != 0 for v in row] for row in x.tolist()] == [[False, True, True]] * 2


@pytest.mark.parametrize(
    "call",
    [
        "bernoulli(p)",
        "poisson(p)",
        "normal(p, 1.0)",
        "normal(0.0, p)",
        "normal(p, p)",
        "normal(zeros(2, 3), p)",
        "zeros(2, 3).bernoulli_(p)",
        "(p * 1).uniform_()",
        "(p * 1).normal_()",
        "(p * 1).random_(1, 5)",
        "(p * 1).exponential_()",
        "(p * 1).geometric_(0.5)",
        "(p * 1).log_normal_()",
        "(p * 1).cauchy_()",
        "(p * 1).bernoulli_(0.5)",
        "(p * 1).bernoulli_(p)",
    ],
)
def test_gradients_are_zero(call):
    p = chainrule.tensor([0.2, 0.5, 0.7], requires_grad=True)
    eval(call, {}, Names(p=p)).sum().backward()
    assert p.grad.tolist() == [0, 0, 0]


def test_gradient_past_a_write_to_a_part():
    p = chainrule.ones(4, requires_grad=True)
    x = p * 3
    x[1:3].uniform_()
    x.sum().backward()
    assert p.grad.tolist() == [3, 0, 0, 3]


def test_seeds():
    assert chainrule.manual_seed("3") is chainrule.default_generator
    assert chainrule.initial_seed() == 3
    assert chainrule.seed() == chainrule.initial_seed()
    assert chainrule.Generator().manual_seed(-1).initial_seed() == 2**64 - 1
    for seed, error, message in (
        (1.5, RuntimeError, "manual_seed expected a long, but got float"),
        (True, RuntimeError, "manual_seed expected a long, but got bool"),
        (2**64, ValueError, "Overflow when unpacking long long"),
        (-(2**63) - 1, ValueError, "Overflow when unpacking long long"),
    ):
        with pytest.raises(error, match=message):
            chainrule.Generator().manual_seed(seed)


def test_states():
    chainrule.manual_seed(4)
    chainrule.randn(3)
    state = chainrule.get_rng_state()
    assert (state.dtype, state.shape) == (dtypes.uint8, (5056,))
    first = chainrule.randn(5).tolist()
    chainrule.set_rng_state(state)
    assert chainrule.randn(5).tolist() == first
    for wrong, error, message in (
        (3, TypeError, "expected a torch.ByteTensor, but got int"),
        (chainrule.zeros(5056), TypeError, "RNG state must be a torch.ByteTensor"),
        (state[:5], RuntimeError, "Expected a CPUGeneratorImplState of size 5056 but found the input RNG"),
        (state * 0, RuntimeError, "Invalid mt19937 state"),
    ):
        with pytest.raises(error, match=message):
            chainrule.set_rng_state(wrong)


def test_generators():
    generator = chainrule.Generator(device="cpu").manual_seed(3)
    assert generator.device == chainrule.device("cpu")
    assert repr(generator).startswith("<torch._C.Generator object at 0x")
    chainrule.rand(5, generator=generator)
    expected = None
    for other in (copy.deepcopy(generator), pickle.loads(pickle.dumps(generator)), generator.clone_state()):
        assert other.initial_seed() == 3
        drawn = chainrule.rand(4, generator=other).tolist()
        assert expected in (None, drawn)
        expected = drawn
    assert chainrule.rand(4, generator=generator).tolist() == expected
    for call in (generator.get_offset, lambda: generator.set_offset(1)):
        with pytest.raises(RuntimeError, match="CPU Generator does not use offset"):
            call()
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        chainrule.Generator("cuda")


def test_fork_rng():
    chainrule.manual_seed(2)
    expected = chainrule.rand(4).tolist()
    chainrule.manual_seed(2)
    with chainrule.random.fork_rng():
        chainrule.manual_seed(9)
        chainrule.rand(3)
    with pytest.raises(ZeroDivisionError), chainrule.random.fork_rng(devices=[]):
        chainrule.rand(3)
        1 / 0
    assert chainrule.rand(4).tolist() == expected
    with chainrule.random.fork_rng(enabled=False):
        chainrule.rand(1)
    assert chainrule.rand(1).tolist() != expected[:1]
    with pytest.raises(AssertionError), chainrule.random.fork_rng(devices=[0]):
        pass
    with pytest.raises(RuntimeError, match="device type"), chainrule.random.fork_rng(device_type="foo"):
        pass


def test_the_default_dtype():
    chainrule.set_default_dtype(dtypes.float64)
    try:
        assert {chainrule.rand(2).dtype, chainrule.randn(2).dtype, chainrule.normal(0, 1, (2,)).dtype} == {
            dtypes.float64
        }
    finally:
        chainrule.set_default_dtype(dtypes.float32)


def test_drawing_nothing_takes_nothing():
    chainrule.manual_seed(1)
    before = chainrule.get_rng_state().tolist()
    chainrule.rand(0)
    chainrule.randn(3, 0)
    chainrule.zeros(0).exponential_()
    chainrule.bernoulli(chainrule.zeros(0))
    chainrule.multinomial(chainrule.ones(0, 3), 2)
    assert chainrule.get_rng_state().tolist() == before


def test_inference_mode_makes_inference_tensors():
    with chainrule.inference_mode():
        assert chainrule.rand(2).is_inference()
        assert chainrule.rand_like(chainrule.zeros(2)).is_inference()
