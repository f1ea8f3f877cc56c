"""The random stream: numbers that PyTorch 2.13 printed, and what must hold without it."""

import hashlib
import math
import threading
from fractions import Fraction

import numpy as np
import pytest

from chainrule.backend.fma import fma_double, fma_single
from chainrule.backend.generator import Generator, fill
from chainrule.backend.permutation import _exchange_all, exchange, grow

F2, F4, F8, I8 = (np.dtype(name) for name in ("f2", "f4", "f8", "i8"))


def exactly(*digits):
    return [float.fromhex(d) for d in digits]


def digest(array):
    return hashlib.sha256(array.tobytes()).hexdigest()


def test_the_first_normal_numbers_of_seed_0():
    generator = Generator().manual_seed(0)
    assert generator.normal((3,), F4).tolist() == exactly("0x1.8a7eb8p+0", "-0x1.2c78ap-2", "-0x1.16e292p+1")
    twenty = generator.manual_seed(0).normal((20,), F4)
    assert twenty[:4].tolist() == exactly("-0x1.20370ap+0", "-0x1.270114p+0", "-0x1.0097acp-2", "-0x1.bc4abap-2")
    assert twenty[-2:].tolist() == exactly("0x1.00a334p+1", "0x1.b83674p-5")


def test_normal_numbers_of_other_dtypes():
    generator = Generator()
    eighteen = generator.manual_seed(1).normal((18,), F8)
    assert eighteen[[0, 1, -2, -1]].tolist() == exactly(
        "-0x1.3ec2b05b54971p-2", "-0x1.6d124df02c168p-1", "-0x1.edb7a381131e9p+0", "-0x1.15831be0eb6d7p-2"
    )
    assert generator.manual_seed(1).normal((3,), F8).tolist() == exactly(
        "0x1.529cc078113dap-1", "0x1.11548d02b8fe5p-2", "0x1.f94295e129d76p-5"
    )
    eighteen = generator.manual_seed(1).normal((18,), F2)
    assert eighteen[[0, 1, -2, -1]].tolist() == exactly("-0x1.868p+0", "-0x1.8p-1", "-0x1.988p-1", "-0x1.0d8p-3")


def test_normal_numbers_of_bfloat16():
    bfloat16 = np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    eighteen = Generator(1).normal((18,), bfloat16).astype(F4)
    assert eighteen[[0, 1, -2, -1]].tolist() == exactly("-0x1.86p+0", "-0x1.8p-1", "-0x1.98p-1", "-0x1.0ep-3")


def test_uniform_numbers():
    generator = Generator()
    four = generator.manual_seed(1).uniform((4,), F4)
    assert four.tolist() == exactly("0x1.83e84ap-1", "0x1.1e03acp-2", "0x1.9cbe3p-2", "0x1.78289p-1")
    four = generator.manual_seed(1).uniform((2, 2), F4, -0.3, 0.7)
    assert four.ravel().tolist() == exactly("0x1.d49d6p-2", "-0x1.52f88p-6", "0x1.a62bfp-4", "0x1.bd1decp-2")
    three = generator.manual_seed(1).uniform((3,), F8)
    assert three.tolist() == exactly("0x1.f425ff4780ebp-5", "0x1.cbe33baf0512p-3", "0x1.dfbfc83330e24p-3")
    three = generator.manual_seed(1).uniform((3,), F2)
    assert three.tolist() == exactly("0x1.84p-1", "0x1.1ep-2", "0x1.9ccp-2")


def test_integers_and_permutations():
    generator = Generator(2)
    assert generator.integers((6,), I8, 0, 10).tolist() == [8, 7, 1, 4, 8, 9]
    assert generator.integers((3,), I8, -5, 2**40).tolist() == [903988596185, 448018029285, 696420248978]
    assert generator.random((3,), I8).tolist() == [
        3775101017224948299,
        2200161065918338095,
        5527653144310611231,
    ]
    assert generator.random((3,), np.dtype("u1")).tolist() == [218, 148, 124]
    assert generator.permutation(10, I8).tolist() == [2, 5, 9, 8, 4, 1, 3, 7, 0, 6]
    assert generator.random((4,), np.dtype("?")).tolist() == [True, False, False, True]


def test_bernoulli_and_functions_of_uniform_and_normal_numbers():
    generator = Generator(3)
    assert generator.bernoulli(np.full(8, 0.5, F4), (8,), F4).tolist() == [1, 1, 1, 1, 1, 1, 0, 0]
    assert generator.bernoulli(0.25, (8,), F4).tolist() == [0, 0, 1, 0, 0, 0, 1, 0]
    waits = generator.exponential((3,), F4)
    assert waits.tolist() == exactly("0x1.2f52e8p-1", "0x1.ac87ap-2", "0x1.c1054ep+1")
    assert generator.geometric((5,), F4, 0.2).tolist() == [11, 10, 3, 1, 10]
    assert generator.log_normal((3,), F4).tolist() == exactly("0x1.66ab4ap-1", "0x1.4eb51cp-2", "0x1.840c4ep+3")
    assert generator.cauchy((3,), F4).tolist() == exactly("-0x1.7ed374p-3", "-0x1.d604d8p+1", "-0x1.b8d60cp-3")


def test_multinomial_and_rejection():
    generator = Generator(4)
    weights = np.array([1, 2, 3, 4], F4)
    assert generator.multinomial(weights, 1, False).tolist() == [2]
    assert generator.multinomial(weights, 3, False).tolist() == [2, 3, 1]
    assert generator.multinomial(weights, 8, True).tolist() == [1, 2, 1, 3, 2, 0, 2, 2]
    assert generator.poisson(np.array([0.5, 3, 20, 100], F4)).tolist() == [0, 3, 20, 89]
    alpha = np.array([0.5, 3], F4)
    assert generator.gamma(alpha).tolist() == exactly("0x1.22c1f6p-2", "0x1.6c391p+1")
    assert generator.dirichlet(alpha).tolist() == exactly("0x1.fe0124p-3", "0x1.807fb8p-1")
    assert generator.binomial(np.array([10, 100], F4), np.array([0.3, 0.6], F4)).tolist() == [6, 58]


def test_long_draws():
    generator = Generator(6)
    assert digest(generator.normal((5000,), F4)) == ("c27d0cb744828635f878477b02b3b96978af3a74ac14c45465e6facf213a957a")
    assert digest(generator.permutation(5000, I8)) == (
        "33f7c24840ea9b7905eea8bf371925956bd18aa69dbe8694fdd845d7cf2f8fed"
    )
    assert generator.uniform((1,), F4).tolist() == exactly("0x1.818c1cp-2")


def test_state_in_bytes():
    assert digest(Generator().get_state()) == "7dbca2abd059af5d8a23d078cc0f4d4c7b21e4543592cea803dc5037dfcd008e"
    generator = Generator(5)
    generator.uniform((700,), F4)
    generator.normal((1,), F4)
    state = generator.get_state()
    assert (state.dtype, state.shape) == (np.uint8, (5056,))
    assert digest(state) == "1b67caeb2c048efea391660ef048f456c7193601cbacba28d3c78cde8022f964"


@pytest.mark.parametrize("drawn", [0, 1, 623, 624, 625, 1248])
def test_a_state_continues_the_stream(drawn):
    first, second = Generator(8), Generator(9)
    first.uniform((drawn,), F4)
    first.normal((1,), F8)
    second.set_state(first.get_state())
    assert second.initial_seed() == 8
    assert np.array_equal(first.get_state(), second.get_state())
    for _ in range(2):
        assert first.normal((3,), F8).tolist() == second.normal((3,), F8).tolist()
    assert first.permutation(1300, I8).tolist() == second.permutation(1300, I8).tolist()


def test_what_is_no_state_is_refused():
    generator = Generator(1)
    before = generator.get_state()
    for position, value in [(8, 0), (12, 0), (17, 255)]:  # words left, seeded, next word
        state = before.copy()
        state[position : position + 2] = value
        with pytest.raises(ValueError, match="Invalid mt19937 state"):
            generator.set_state(state)
    assert np.array_equal(generator.get_state(), before)


def test_seeds():
    generator = Generator()
    assert generator.initial_seed() == 67280421310721
    assert generator.manual_seed(-1).initial_seed() == 2**64 - 1
    assert generator.seed() == generator.initial_seed()
    assert generator.seed() != generator.seed()
    # the engine uses the low 32 bits only
    assert generator.manual_seed(2**32 + 5).uniform((1,), F8) == generator.manual_seed(5).uniform((1,), F8)


def test_seeding_forgets_the_kept_normal_number():
    generator = Generator(1)
    first = generator.normal((1,), F8)
    assert generator.manual_seed(1).normal((1,), F8) == first


def test_empty_draws_take_nothing():
    generator = Generator(1)
    generator.normal((1,), F8)
    before = generator.get_state()
    generator.normal((0, 3), F8)
    generator.normal((0,), F4, contiguous=False)
    generator.uniform((0,), F4, 1.0, 2.0)
    generator.integers((0,), I8, 0, 5)
    generator.permutation(0, I8)
    generator.permutation(1, I8)
    generator.poisson(np.zeros((2, 0)))
    assert np.array_equal(generator.get_state(), before)


def test_the_end_of_a_range_is_excluded():
    generator = Generator(0)
    for dtype in (F2, F4):
        drawn = generator.uniform((100_000,), dtype, 1.0, 1.0 + 2 * np.finfo(dtype).eps)
        assert set(drawn.tolist()) == {1.0, 1.0 + float(np.finfo(dtype).eps)}
    assert generator.uniform((5,), F4, 3.0, 3.0).tolist() == [3.0] * 5


def counting(shape, dtype, contiguous):
    return np.arange(math.prod(shape), dtype=dtype).reshape(shape)


def test_views_are_filled_in_the_order_of_memory():
    array = np.zeros((3, 4))
    fill(array.T[:, 1:], counting)
    assert array.tolist() == [[0, 0, 0, 0], [0, 1, 2, 3], [4, 5, 6, 7]]
    fill(array[:, 1:3], counting)
    assert array.tolist() == [[0, 0, 1, 0], [0, 2, 3, 3], [4, 4, 5, 7]]


def test_both_ways_to_exchange_agree():
    random = np.random.default_rng(0)
    for count in [1, 2, 3, 10, 999, 1000, 1001, 3000]:
        place = np.arange(count)
        chosen = place + random.integers(0, count - place)
        loop = list(range(count))
        for i, other in enumerate(chosen.tolist()):
            loop[i], loop[other] = loop[other], loop[i]
        assert exchange(chosen).tolist() == _exchange_all(chosen).tolist() == loop


def test_growing_a_permutation():
    assert grow([0, 0, 1, 3, 2], 5).tolist() == [1, 2, 4, 3, 0]
    assert sorted(grow(Generator(0)._growing_places(2000), 2000).tolist()) == list(range(2000))


def test_multiply_add_rounds_once():
    random = np.random.default_rng(1)
    for _ in range(300):
        x, y, z = (float(v) for v in random.normal(size=3) * 10.0 ** random.integers(-8, 8, 3))
        exact = float(Fraction(x) * Fraction(y) + Fraction(z))
        assert fma_double(np.array([x]), y, z).tolist() == [exact]
        x, y, z = (float(np.float32(v)) for v in (x, y, z))
        exact = np.float32(float(Fraction(x) * Fraction(y) + Fraction(z)))
        assert fma_single(np.array([x], F4), np.float32(y), np.float32(z)) == exact
    with np.errstate(all="ignore"):
        assert fma_double(np.array([0.5]), 1e308, 1.0).tolist() == [5e307]


def test_statistics():
    """The moments of a hundred thousand numbers, where a wrong formula would show."""
    n = 100_000
    generator = Generator(12)
    for dtype in (F4, F8):
        for contiguous in (True, False):
            drawn = generator.normal((n,), dtype, 2.0, 3.0, contiguous=contiguous).astype(F8)
            assert abs(drawn.mean() - 2) < 0.05
            assert abs(drawn.std() - 3) < 0.03
        assert abs(generator.exponential((n,), dtype, 4.0).mean() - 0.25) < 0.005
        assert abs(generator.geometric((n,), dtype, 0.2).mean() - 5) < 0.1
        assert abs(np.median(generator.cauchy((n,), dtype, 1.0, 2.0)) - 1) < 0.05
        assert abs(np.log(generator.log_normal((n,), dtype, 1.0, 0.5)).std() - 0.5) < 0.01
    rate = np.full(20_000, 30.0)
    assert abs(generator.poisson(rate).var() - 30) < 1.5
    assert abs(generator.gamma(np.full(20_000, 0.3)).mean() - 0.3) < 0.02
    trials = generator.binomial(np.full(20_000, 50.0), np.full(20_000, 0.7))
    assert abs(trials.mean() - 35) < 0.2
    assert abs(trials.var() - 10.5) < 0.7
    weights = np.tile(np.array([0.0, 1.0, 3.0]), (20_000, 1))
    assert abs(generator.multinomial(weights, 1, False).mean() - 1.75) < 0.02


def test_binomial_edges():
    count = np.array([0, 5, 5, 5, 5])
    probability = np.array([0.5, 0.0, 1.0, np.nan, -1.0])
    drawn = Generator(0).binomial(count.astype(F8), probability)
    assert np.array_equal(drawn, [0, 0, 5, np.nan, 0], equal_nan=True)


def test_threads_share_a_stream_without_losing_numbers():
    generator = Generator(3)
    expected = sorted(Generator(3).normal((4000,), F8, contiguous=False).tolist())
    drawn, start = [], threading.Barrier(4)

    def draw():
        start.wait()
        mine = [float(v) for _ in range(100) for v in generator.normal((10,), F8)]
        drawn.append(mine)

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(v for mine in drawn for v in mine) == expected
