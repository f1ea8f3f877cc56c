"""torch.func.rearrange: patterns, and what is wrong with them."""

from __future__ import annotations

import pytest

import chainrule as torch
from chainrule.func import rearrange

X = torch.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("pattern", "lengths", "expected"),
    [
        ("a b c -> c b a", {}, X.permute(2, 1, 0)),
        ("a b c -> a (b c)", {}, X.reshape(2, 12)),
        ("a b (c d) -> a b d c", {"d": 2}, X.reshape(2, 3, 2, 2).transpose(2, 3)),
        ("(a e) b c -> e a b c", {"a": 1, "e": 2}, X.reshape(2, 1, 3, 4)),
        ("a ... -> ... a", {}, X.permute(1, 2, 0)),
        ("a ... -> (...) a", {}, X.permute(1, 2, 0).reshape(12, 2)),
        ("... -> (...)", {}, X.reshape(24)),
        ("a b c -> a 1 (b c) ()", {}, X.reshape(2, 1, 12, 1)),
        (" a  b c->c  b a ", {}, X.permute(2, 1, 0)),
    ],
)
def test_patterns(pattern, lengths, expected):
    result = rearrange(X, pattern, **lengths)
    assert result.shape == expected.shape
    assert torch.equal(result, expected)


def test_dimensions_of_size_1_go():
    x = torch.ones(2, 1, 3)
    assert rearrange(x, "a 1 c -> a c").shape == (2, 3)
    assert rearrange(x, "a () c -> c a").shape == (3, 2)


def test_several_tensors_are_stacked():
    assert rearrange([X, X], "n a b c -> (n a) b c").shape == (4, 3, 4)


def test_gradients_and_batches():
    x = torch.ones(2, 3, requires_grad=True)
    (rearrange(x, "a b -> (b a)") * torch.arange(6.0)).sum().backward()
    assert x.grad.tolist() == [[0, 2, 4], [1, 3, 5]]
    assert torch.vmap(lambda t: rearrange(t, "a b -> (a b)"))(torch.ones(5, 2, 3)).shape == (5, 6)


@pytest.mark.parametrize(
    ("pattern", "lengths", "message"),
    [
        ("a b c -> a b", {}, r"Identifiers only on one side of rearrange expression .*: \{'c'\}"),
        ("a b -> a b", {}, r"Number of dimensions in pattern \(2\) must be equal .* \(3\)"),
        ("a a c -> a c", {}, "duplicate dimension 'a'"),
        ("a b c", {}, "must contain a single '->' separator"),
        ("a b c -> (a (b c))", {}, "brackets inside brackets not allowed"),
        ("a b c) -> a b c", {}, "Brackets are not balanced"),
        ("(a b c -> a b c", {}, "Imbalanced parentheses in expression"),
        ("a ... c ... -> a c", {}, "only one ellipsis for tensor"),
        ("a b c -> a b ...", {}, "Ellipsis found in right side, but not left side"),
        ("_a b c -> c b _a", {}, "should should not start or end with underscore"),
        ("1a b c -> c b 1a", {}, "not a valid python identifier"),
        ("a b 4 -> a b 4", {}, "only supports unnamed axes of size 1"),
        ("a b. c -> a b c", {}, "dots only inside ellipsis"),
        ("a-b c -> c", {}, "Unknown character '-'"),
        ("a b c -> a b c", {"d": 3}, r"Identifiers not found in rearrange expression: \{'d'\}"),
    ],
)
def test_wrong_patterns(pattern, lengths, message):
    with pytest.raises(ValueError, match=message):
        rearrange(X, pattern, **lengths)


def test_sizes_that_do_not_fit():
    with pytest.raises(Exception, match="does not evenly fit into larger dimension: 2 vs"):
        rearrange(X, "(a e) b c -> a e b c", a=3)
    with pytest.raises(Exception, match="cannot infer the sizes of two dimensions at once"):
        rearrange(X, "(a e) b c -> a e b c")
    with pytest.raises(Exception, match=r"do not match \(2 != 3\)"):
        rearrange(X, "a b c -> a b c", a=3)
    with pytest.raises(TypeError, match="axis lengths must be integers"):
        rearrange(X, "a b c -> a b c", a="x")
