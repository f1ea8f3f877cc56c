"""vmap of what reads elements, draws numbers, or depends on memory: right for every sample, or refused."""

from __future__ import annotations

import pytest

import chainrule as torch
from chainrule.func import vmap

M = torch.tensor([[0, 1, 2], [3, 4, 5]])
N = torch.tensor([1, 2])
B = 4


def each(f, *args):
    """What vmap is to give: the stacked results of the samples."""
    results = [f(*[a[k] for a in args]) for k in range(len(args[0]))]
    if isinstance(results[0], tuple):
        return [torch.stack(list(parts)) for parts in zip(*results, strict=True)]
    return torch.stack(results)


def same(found, expected) -> bool:
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return torch.equal(found, expected)


def placed(row, k):
    made = row.clone()
    made[k] = 10
    return made


def replaced(row, k):
    made = row.clone()
    made[k] = k
    return made


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (lambda k: M[0][k], (N,)),
        (lambda k: M[:, k], (N,)),
        (lambda k: M[k, 1], (N - 1,)),
        (lambda row, k: row[k], (M, N)),
        (placed, (M, N)),
        (replaced, (M, N)),
        (lambda row: torch.argmax(row), (M,)),
        (lambda row: torch.argmin(row.reshape(3, 1)), (M,)),
        (lambda row: torch.nn.functional.one_hot(row, 6), (M,)),
        (lambda row: torch.unravel_index(row, (2, 3)), (M,)),
        (lambda row: torch.bincount(row, minlength=6), (M,)),
        (lambda row: torch.histc(row * 1.0, 3), (M,)),
        (lambda row: torch.histogram(row * 1.0, 3), (M,)),
        (lambda row: torch.argwhere(row > -1), (M,)),
        (lambda row: torch.roll(row, 1), (M,)),
        (lambda row: torch.roll(row.reshape(1, 3), 1), (M,)),
        (lambda row: row.reshape(3, 1).as_strided((3, 2), (1, 0)), (M,)),
        (lambda row: torch.cat([row, torch.tensor([], dtype=torch.int64)]), (M,)),
        (lambda row: torch.cat([row.reshape(1, 3), torch.tensor([], dtype=torch.int64)]), (M,)),
        (lambda k: torch.squeeze(k), (N,)),
    ],
)
def test_like_a_loop(f, args):
    assert same(vmap(f)(*args), each(f, *args))


def test_views_of_batches_are_views():
    x = torch.ones(2, 3)
    assert vmap(torch.squeeze)(x[:, 0].clone())._base is not None
    assert vmap(lambda row: row.as_strided((2,), (1,)))(x)._base is x


DYNAMIC = "vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over aten::"


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (torch.nonzero, DYNAMIC + "nonzero"),
        (torch.where, DYNAMIC + "where"),
        (torch.unique, DYNAMIC + "_unique2"),
        (torch.unique_consecutive, DYNAMIC + "unique_consecutive"),
        (lambda x: torch.unique(x, dim=0), DYNAMIC + "unique_dim"),
        (lambda x: x[x > 1], "Attempting to batch over indexing with a boolean mask"),
        (lambda x: x.nonzero(as_tuple=True), "Batching rule not implemented for aten::nonzero_numpy"),
        (lambda x: torch.masked_select(x, x > 1), r"Attempted to vmap over `mask` in torch.masked_select"),
        (lambda x: torch.equal(x, x), "Batching rule not implemented for aten::equal"),
        (lambda x: torch.allclose(x, x), "vmap over torch.allclose isn't supported yet"),
        (lambda x: torch.nn.functional.one_hot(x), "please provide an explicit positive num_classes argument"),
        (lambda x: torch.repeat_interleave(x), r"stack expects each tensor to be equal size, but got \[3\] at entry 0"),
        (lambda x: [1, 2, 3][x[0]], "calling .item()"),
        (lambda x: x.narrow(0, x[0], 1), "calling .item()"),
        (lambda x: 2 in x, "data-dependent control flow"),
        (lambda x: f"{x[0]}", "calling .item()"),
        (lambda x: x.data_ptr(), "Cannot access data pointer of Tensor that doesn't have storage"),
        (lambda x: torch.abs(x, out=torch.zeros(3)), "doesn't work on out= or view ops"),
        (lambda x: x.as_strided((3,), (1,), 1), "This is not supported inside of vmap"),
        (lambda x: x.clone(memory_format=torch.channels_last), r"\(got ChannelsLast\)"),
    ],
)
def test_refused(f, message):
    with pytest.raises(RuntimeError, match=message.replace("(self, mask)", "")):
        vmap(f)(M)


def test_storage_is_refused():
    import copy

    for read in (torch.Tensor.untyped_storage, copy.deepcopy):
        with pytest.raises(NotImplementedError, match="Cannot access storage of BatchedTensorImpl"):
            vmap(read)(M)


def test_a_mask_does_not_write_the_first_sample_s_elements():
    def f(x):
        made = torch.zeros(3)
        made[x > 1] = 1
        return made

    with pytest.raises(RuntimeError, match="vmap:"):
        vmap(f)(M)


def test_batched_gradients_in_any_memory_order():
    x = torch.arange(1.0, 7).reshape(2, 3).requires_grad_()
    base = x * x
    base[0].cos_()
    (g,) = torch.autograd.grad(base[0], x, torch.ones(3), create_graph=True)
    v = torch.arange(12.0).reshape(2, 3, 2).movedim(-1, 0)
    expected = torch.stack([torch.autograd.grad(g, x, one, retain_graph=True)[0] for one in v])
    (found,) = torch.autograd.grad(g, x, v, is_grads_batched=True)
    assert torch.allclose(found, expected)


# ---------------------------------------------------------------- random numbers


def drawn(f, *args, randomness, in_dims=0):
    torch.manual_seed(3)
    return vmap(f, in_dims=in_dims, randomness=randomness)(*args)


def seeded(f, *args):
    torch.manual_seed(3)
    return f(*args)


P = torch.full((3, 5), 0.5)


@pytest.mark.parametrize(
    "f",
    [
        lambda p: torch.bernoulli(p),
        lambda p: torch.normal(p, 1.0),
        lambda p: torch.normal(0.0, p),
        lambda p: torch.normal(p, p),
        lambda p: torch.poisson(p),
        lambda p: torch.multinomial(p, 5),
        lambda p: torch.binomial(p * 20, p),
    ],
)
def test_numbers_for_a_tensor(f):
    batch = P.expand(B, 3, 5).contiguous()
    ones = torch.ones(B)
    unbatched = lambda _: f(P)  # noqa: E731
    assert drawn(f, batch, randomness="different").shape[0] == B
    with pytest.raises(RuntimeError, match="called random operation while in randomness error mode"):
        drawn(f, batch, randomness="error")
    with pytest.raises(RuntimeError, match="does not currently support same randomness with a batched tensor input"):
        drawn(f, batch, randomness="same")
    once = seeded(f, P)
    assert torch.equal(drawn(unbatched, ones, randomness="same"), once.expand(B, *once.shape))
    different = drawn(unbatched, ones, randomness="different")
    assert different.shape == (B, *once.shape)
    assert any(not torch.equal(different[0], different[k]) for k in range(1, B))


def test_the_stream_is_that_of_the_whole_batch():
    batch = P.expand(B, 3, 5).contiguous()
    assert torch.equal(drawn(torch.bernoulli, batch, randomness="different"), seeded(torch.bernoulli, batch))
    assert torch.equal(drawn(torch.randn_like, batch, randomness="different"), seeded(torch.randn_like, batch))
    assert torch.equal(drawn(lambda _: torch.rand(3), torch.ones(B), randomness="different"), seeded(torch.rand, B, 3))
    found = drawn(lambda p: torch.multinomial(p, 2), batch, randomness="different")
    assert torch.equal(found, seeded(lambda p: torch.multinomial(p, 2), batch.flatten(0, 1)).reshape(B, 3, 2))


def test_one_permutation_for_each_sample():
    found = drawn(lambda _: torch.randperm(10), torch.ones(B), randomness="different")
    torch.manual_seed(3)
    assert torch.equal(found, torch.stack([torch.randperm(10) for _ in range(B)]))


def test_likes_may_be_the_same_for_different_samples():
    batch = torch.arange(12.0).reshape(B, 3)
    found = drawn(torch.rand_like, batch, randomness="same")
    assert torch.equal(found, seeded(torch.rand_like, batch[0]).expand(B, 3))


def test_in_place():
    x = torch.ones(B)
    with pytest.raises(RuntimeError, match="Cannot ask for different inplace randomness on an unbatched tensor"):
        drawn(lambda _: torch.ones(3).normal_(), x, randomness="different")
    with pytest.raises(RuntimeError, match="different inplace randomness on an unbatched tensor"):
        drawn(lambda _: torch.ones(3).bernoulli_(0.5), x, randomness="different")
    with pytest.raises(RuntimeError, match="`other` in extra_args that has more elements than `self`"):
        drawn(lambda p: torch.ones(5).bernoulli_(p), P, randomness="different")
    batch = torch.ones(B, 3)
    found = drawn(lambda t: t.clone().bernoulli_(torch.full((3,), 0.5)), batch, randomness="same")
    assert torch.equal(found, seeded(lambda: torch.ones(3).bernoulli_(torch.full((3,), 0.5))).expand(B, 3))


def test_out_is_refused():
    for f in (lambda _: torch.randn(3, out=torch.ones(3)), lambda _: torch.normal(P, P, out=torch.ones(3, 5))):
        with pytest.raises(RuntimeError, match="calling out variants of random operations inside of vmap"):
            drawn(f, torch.ones(B), randomness="same")


def test_dropout_of_what_is_not_mapped_over():
    for dropout in (torch.nn.functional.dropout, torch.nn.functional.alpha_dropout):
        found = drawn(lambda _, f=dropout: f(torch.ones(50), 0.5, True), torch.ones(B), randomness="different")
        assert found.shape == (B, 50) and not torch.equal(found[0], found[1])
        found = drawn(lambda _, f=dropout: f(torch.ones(50), 0.5, True), torch.ones(B), randomness="same")
        assert torch.equal(found[0], found[1])


def test_jacfwd_with_random_functions():
    from chainrule.func import jacfwd

    x = torch.rand(3)
    with pytest.raises(RuntimeError, match="randomness error mode"):
        jacfwd(torch.bernoulli)(x)
    for randomness in ("same", "different"):
        assert jacfwd(torch.bernoulli, randomness=randomness)(x).tolist() == torch.zeros(3, 3).tolist()


def test_new_tensors_have_the_strides_asked_for():
    x = torch.ones(3, 2)
    assert vmap(lambda row: row.new_empty_strided((2, 3, 5), (0, 5, 1)))(x).stride() == (15, 0, 5, 1)
    assert vmap(lambda row: row.new_zeros(0))(x).shape == (3, 0)
    assert vmap(vmap(lambda k: k.new_full((2,), 7)))(x).tolist() == torch.full((3, 2, 2), 7.0).tolist()

    def written(k):
        made = k.new_zeros(2)
        made[0] = k
        return made

    assert vmap(written)(torch.tensor([1.0, 2.0])).tolist() == [[1, 0], [2, 0]]
