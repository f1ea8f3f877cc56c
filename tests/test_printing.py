"""How tensors print: sessions recorded with PyTorch 2.13, replayed with chainrule.

tests/parity/test_printing.py replays the same sessions with PyTorch itself, which must print the same.
"""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

import chainrule
from chainrule import printing

SESSIONS = {
    "scalars": r"""
>>> torch.tensor(7)
tensor(7)
>>> torch.tensor(-7, dtype=torch.int8)
tensor(-7, dtype=torch.int8)
>>> torch.tensor(True)
tensor(True)
>>> torch.tensor(False)
tensor(False)
>>> torch.tensor(2.5)
tensor(2.5000)
>>> torch.tensor(3.0)
tensor(3.)
>>> torch.tensor(-0.0)
tensor(-0.)
>>> torch.tensor(float("nan"))
tensor(nan)
>>> torch.tensor(-float("inf"))
tensor(-inf)
>>> torch.tensor(1e8)
tensor(100000000.)
>>> torch.tensor(1.1e8)
tensor(1.1000e+08)
>>> torch.tensor(0.0001, dtype=torch.float64)
tensor(0.0001, dtype=torch.float64)
>>> torch.tensor(0.0001)
tensor(1.0000e-04)
>>> torch.tensor(1e-45)
tensor(1.4013e-45)
>>> torch.tensor(2**63 - 1), torch.tensor(-(2**63))
(tensor(9223372036854775807), tensor(-9223372036854775808))
>>> torch.tensor(2.5, requires_grad=True)
tensor(2.5000, requires_grad=True)
""",
    "dtypes": r"""
>>> torch.tensor([1, 2], dtype=torch.uint8)
tensor([1, 2], dtype=torch.uint8)
>>> torch.tensor([1, -200], dtype=torch.int16)
tensor([   1, -200], dtype=torch.int16)
>>> torch.tensor([1, 2], dtype=torch.int32)
tensor([1, 2], dtype=torch.int32)
>>> torch.tensor([65535, 1], dtype=torch.uint16)
tensor([65535,     1], dtype=torch.uint16)
>>> torch.tensor([2**63 - 1, -(2**63)])
tensor([ 9223372036854775807, -9223372036854775808])
>>> torch.tensor([True, False])
tensor([ True, False])
>>> torch.tensor([0.1, 65504.0], dtype=torch.float16)
tensor([9.9976e-02, 6.5504e+04], dtype=torch.float16)
>>> torch.tensor(0.1, dtype=torch.float16)
tensor(0.1000, dtype=torch.float16)
>>> torch.tensor([0.1, 3.0], dtype=torch.bfloat16)
tensor([0.1001, 3.0000], dtype=torch.bfloat16)
>>> torch.tensor(3e38, dtype=torch.bfloat16)
tensor(3.0041e+38, dtype=torch.bfloat16)
>>> torch.tensor([0.1, 3.0], dtype=torch.float64)
tensor([0.1000, 3.0000], dtype=torch.float64)
>>> torch.tensor([1.5, 2.0], dtype=torch.complex128)
tensor([1.5000+0.j, 2.0000+0.j], dtype=torch.complex128)
""",
    "default dtype": r"""
>>> torch.set_default_dtype(torch.float64)
>>> torch.tensor([0.5])
tensor([0.5000])
>>> torch.tensor([0.5], dtype=torch.float32)
tensor([0.5000], dtype=torch.float32)
>>> torch.tensor([0.5j])
tensor([0.+0.5000j])
>>> torch.tensor([0.5j], dtype=torch.complex64)
tensor([0.+0.5000j], dtype=torch.complex64)
>>> torch.tensor([1])
tensor([1])
>>> torch.zeros(0)
tensor([])
>>> torch.zeros(0, dtype=torch.float32)
tensor([], dtype=torch.float32)
>>> torch.set_default_dtype(torch.float16)
>>> torch.tensor([0.5])
tensor([0.5000])
>>> torch.tensor([0.5j], dtype=torch.complex64)
tensor([0.+0.5000j])
>>> torch.set_default_dtype(torch.float32)
>>> torch.tensor([0.5])
tensor([0.5000])
""",
    "columns": r"""
>>> torch.tensor([1.0, -20.0, 300.0])
tensor([  1., -20., 300.])
>>> torch.tensor([1.5, -20.0, 300.0])
tensor([  1.5000, -20.0000, 300.0000])
>>> torch.tensor([True, False, True])
tensor([ True, False,  True])
>>> torch.tensor([[1, -20], [300, 4]])
tensor([[  1, -20],
        [300,   4]])
>>> torch.tensor([0.0, -0.0])
tensor([0., -0.])
>>> torch.tensor([0.0, -0.0, 1.0, 12.0])
tensor([ 0., -0.,  1., 12.])
>>> torch.tensor([1.0, float("nan"), float("inf"), -float("inf")])
tensor([1., nan, inf, -inf])
>>> torch.tensor([1.25, float("nan"), float("inf"), -float("inf")])
tensor([1.2500,    nan,    inf,   -inf])
>>> torch.tensor([float("nan"), float("inf"), 0.0, -0.0])
tensor([nan, inf, 0., -0.])
>>> torch.tensor([[float("nan"), -float("inf")], [0.0, 0.0]])
tensor([[nan, -inf],
        [0., 0.]])
>>> torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 80.0]]])
tensor([[[ 1.,  2.],
         [ 3.,  4.]],
<BLANKLINE>
        [[ 5.,  6.],
         [ 7., 80.]]])
>>> torch.ones(2, 1, 1, 2)
tensor([[[[1., 1.]]],
<BLANKLINE>
<BLANKLINE>
        [[[1., 1.]]]])
""",
    "scientific notation": r"""
>>> torch.tensor([1.0, 1000.0])
tensor([   1., 1000.])
>>> torch.tensor([1.0, 1001.0])
tensor([1.0000e+00, 1.0010e+03])
>>> torch.tensor([1.5, 1000.0])
tensor([   1.5000, 1000.0000])
>>> torch.tensor([1.0, 1501.5])
tensor([1.0000e+00, 1.5015e+03])
>>> torch.tensor([1e8, 1e8])
tensor([100000000., 100000000.])
>>> torch.tensor([1.5e8, -1e8])
tensor([ 1.5000e+08, -1.0000e+08])
>>> torch.tensor([1e-4, 2e-4], dtype=torch.float64)
tensor([0.0001, 0.0002], dtype=torch.float64)
>>> torch.tensor([0.9e-4, 2e-4])
tensor([9.0000e-05, 2.0000e-04])
>>> torch.tensor([1e-45, 1e38])
tensor([1.4013e-45, 1.0000e+38])
>>> torch.tensor([1e-300, -1e300], dtype=torch.float64)
tensor([ 1.0000e-300, -1.0000e+300], dtype=torch.float64)
>>> torch.tensor([0.0, -0.0, 1e10, float("nan"), float("inf")])
tensor([0.0000e+00, -0.0000e+00, 1.0000e+10,        nan,        inf])
>>> torch.tensor([6e-8, 60000.0], dtype=torch.float16)
tensor([5.9605e-08, 6.0000e+04], dtype=torch.float16)
>>> torch.set_printoptions(sci_mode=True)
>>> torch.tensor([1.0, 0.0, -2.5, float("nan")])
tensor([ 1.0000e+00,  0.0000e+00, -2.5000e+00,         nan])
>>> torch.tensor([0.0, float("nan")])
tensor([0., nan])
>>> torch.tensor([1, 2])
tensor([1, 2])
>>> torch.set_printoptions(sci_mode=False)
>>> torch.tensor([1.0, 1e10])
tensor([          1., 10000000000.])
>>> torch.tensor([1.5, 1e10])
tensor([          1.5000, 10000000000.0000])
>>> torch.tensor([1e-10])
tensor([0.0000])
>>> torch.set_printoptions()
>>> torch.tensor([1e-10])
tensor([1.0000e-10])
""",
    "complex": r"""
>>> torch.tensor(1 + 2j)
tensor(1.+2.j)
>>> torch.tensor(complex(-0.0, -0.0))
tensor(-0.-0.j)
>>> torch.tensor(complex(0.0, float("nan")))
tensor(0.+nanj)
>>> torch.tensor(complex(float("inf"), -float("inf")))
tensor(inf-infj)
>>> torch.tensor([1 + 2j, -10 - 0.5j])
tensor([  1.+2.0000j, -10.-0.5000j])
>>> torch.tensor([1 + 200j, -10.25 - 3j])
tensor([  1.0000+200.j, -10.2500-3.j])
>>> torch.tensor([1e10 + 1j, 1 + 1e-10j])
tensor([1.0000e+10+1.0000e+00j, 1.0000e+00+1.0000e-10j])
>>> torch.tensor([[0.5j, 1], [2, 3 - 12.5j]], dtype=torch.complex128)
tensor([[0.+0.5000j, 1.+0.0000j],
        [2.+0.0000j, 3.-12.5000j]], dtype=torch.complex128)
>>> torch.tensor([1.5 - 2.25j] * 6)
tensor([1.5000-2.2500j, 1.5000-2.2500j, 1.5000-2.2500j, 1.5000-2.2500j,
        1.5000-2.2500j, 1.5000-2.2500j])
>>> torch.tensor([1 + 2j], requires_grad=True)
tensor([1.+2.j], requires_grad=True)
""",
    "empty": r"""
>>> torch.zeros(0)
tensor([])
>>> torch.zeros(0, 3)
tensor([], size=(0, 3))
>>> torch.zeros(2, 0, dtype=torch.int64)
tensor([], size=(2, 0), dtype=torch.int64)
>>> torch.tensor([], dtype=torch.bool)
tensor([], dtype=torch.bool)
>>> torch.zeros(0, dtype=torch.complex64)
tensor([], dtype=torch.complex64)
>>> torch.zeros(1, 0, requires_grad=True)
tensor([], size=(1, 0), requires_grad=True)
""",
    "line width": r"""
>>> torch.arange(30)
tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])
>>> torch.arange(18.0)
tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,
        14., 15., 16., 17.])
>>> torch.arange(19.0)
tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,
        14., 15., 16., 17., 18.])
>>> torch.zeros(25)
tensor([0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.,
        0.])
>>> torch.arange(40).reshape(2, 20)
tensor([[ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
         18, 19],
        [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37,
         38, 39]])
>>> torch.set_printoptions(linewidth=30)
>>> torch.arange(12.0) / 4
tensor([0.0000, 0.2500,
        0.5000, 0.7500,
        1.0000, 1.2500,
        1.5000, 1.7500,
        2.0000, 2.2500,
        2.5000, 2.7500])
>>> torch.set_printoptions(linewidth=1)
>>> torch.arange(3)
tensor([0,
        1,
        2])
>>> torch.set_printoptions(linewidth=100)
>>> torch.arange(30.0)
tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13., 14., 15., 16., 17.,
        18., 19., 20., 21., 22., 23., 24., 25., 26., 27., 28., 29.])
""",
    "summary": r"""
>>> torch.arange(1000)[-3:]
tensor([997, 998, 999])
>>> torch.arange(1001)
tensor([   0,    1,    2,  ...,  998,  999, 1000])
>>> torch.arange(1001.0)
tensor([   0.,    1.,    2.,  ...,  998.,  999., 1000.])
>>> torch.zeros(1001)
tensor([0., 0., 0.,  ..., 0., 0., 0.])
>>> torch.arange(1200).reshape(30, 40)
tensor([[   0,    1,    2,  ...,   37,   38,   39],
        [  40,   41,   42,  ...,   77,   78,   79],
        [  80,   81,   82,  ...,  117,  118,  119],
        ...,
        [1080, 1081, 1082,  ..., 1117, 1118, 1119],
        [1120, 1121, 1122,  ..., 1157, 1158, 1159],
        [1160, 1161, 1162,  ..., 1197, 1198, 1199]])
>>> torch.arange(1020).reshape(340, 3)
tensor([[   0,    1,    2],
        [   3,    4,    5],
        [   6,    7,    8],
        ...,
        [1011, 1012, 1013],
        [1014, 1015, 1016],
        [1017, 1018, 1019]])
>>> torch.ones(4, 300, requires_grad=True)
tensor([[1., 1., 1.,  ..., 1., 1., 1.],
        [1., 1., 1.,  ..., 1., 1., 1.],
        [1., 1., 1.,  ..., 1., 1., 1.],
        [1., 1., 1.,  ..., 1., 1., 1.]], requires_grad=True)
>>> torch.arange(2000) > 3
tensor([False, False, False,  ...,  True,  True,  True])
>>> torch.ones(1001, dtype=torch.complex64)
tensor([1.+0.j, 1.+0.j, 1.+0.j,  ..., 1.+0.j, 1.+0.j, 1.+0.j])
""",
    "threshold": r"""
>>> torch.set_printoptions(threshold=5)
>>> torch.arange(5)
tensor([0, 1, 2, 3, 4])
>>> torch.arange(6)
tensor([0, 1, 2, 3, 4, 5])
>>> torch.arange(7)
tensor([0, 1, 2,  ..., 4, 5, 6])
>>> torch.set_printoptions(edgeitems=1)
>>> torch.arange(6)
tensor([0,  ..., 5])
>>> torch.arange(9).reshape(3, 3)
tensor([[0,  ..., 2],
        ...,
        [6,  ..., 8]])
>>> torch.arange(60).reshape(3, 4, 5)
tensor([[[ 0,  ...,  4],
         ...,
         [15,  ..., 19]],
<BLANKLINE>
        ...,
<BLANKLINE>
        [[40,  ..., 44],
         ...,
         [55,  ..., 59]]])
>>> torch.tensor([1.0, 2.5, 1e10, 3.0, 4.0, 5.0])
tensor([1.,  ..., 5.])
>>> torch.set_printoptions(edgeitems=0)
>>> torch.arange(5)
tensor([0, 1, 2, 3, 4], size=(5,))
>>> torch.arange(6)
tensor([...], size=(6,))
>>> torch.ones(2, 3)
tensor([...], size=(2, 3))
>>> torch.tensor(2.0)
tensor(2., size=())
>>> torch.zeros(0, 2)
tensor([], size=(0, 2))
>>> torch.set_printoptions(threshold=0, edgeitems=2)
>>> torch.tensor(2.0)
tensor(2.)
>>> torch.arange(5)
tensor([0, 1,  ..., 3, 4])
>>> torch.set_printoptions(edgeitems=9, linewidth=20)
>>> torch.arange(30)
tensor([ 0,  1,  2,
         3,  4,  5,
         6,  7,  8,
         ..., 21, 22,
        23, 24, 25,
        26, 27, 28,
        29])
""",
    "precision and profiles": r"""
>>> torch.set_printoptions(precision=2)
>>> torch.tensor([1.23456, 1e-3])
tensor([1.23e+00, 1.00e-03])
>>> torch.tensor([1.23456, 1e-4])
tensor([1.23e+00, 1.00e-04])
>>> torch.tensor([1.0, 2.0])
tensor([1., 2.])
>>> torch.tensor([1.0, 2.5j])
tensor([1.+0.00j, 0.+2.50j])
>>> torch.set_printoptions(precision=0)
>>> torch.tensor([1.6, 2.5, float("nan")])
tensor([2, 2, nan])
>>> torch.tensor([1.6, 1e10])
tensor([2e+00, 1e+10])
>>> torch.set_printoptions(precision=10)
>>> torch.tensor([0.1])
tensor([0.1000000015])
>>> torch.set_printoptions(profile="short")
>>> torch.tensor([1 / 3])
tensor([0.33])
>>> torch.arange(1001)
tensor([   0,    1,  ...,  999, 1000])
>>> torch.set_printoptions(profile="short", precision=6, linewidth=12)
>>> torch.tensor([1 / 3, 2.0])
tensor([0.333333,
        2.000000])
>>> torch.set_printoptions(profile="full", linewidth=100)
>>> str(torch.arange(1001))[-30:]
' 996,  997,  998,  999, 1000])'
>>> torch.set_printoptions(profile="no such profile")
>>> torch.set_printoptions(profile="default")
>>> torch.tensor([1 / 3])
tensor([0.3333])
""",
    "autograd": r"""
>>> x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> x
tensor([1., 2., 3.], requires_grad=True)
>>> x * 2
tensor([2., 4., 6.], grad_fn=<MulBackward0>)
>>> (x * 2).sum()
tensor(12., grad_fn=<SumBackward0>)
>>> x.detach()
tensor([1., 2., 3.])
>>> torch.arange(9.0, requires_grad=True) * 1.125
tensor([0.0000, 1.1250, 2.2500, 3.3750, 4.5000, 5.6250, 6.7500, 7.8750, 9.0000],
       grad_fn=<MulBackward0>)
>>> torch.arange(12.0, requires_grad=True) * 1.125
tensor([ 0.0000,  1.1250,  2.2500,  3.3750,  4.5000,  5.6250,  6.7500,  7.8750,
         9.0000, 10.1250, 11.2500, 12.3750], grad_fn=<MulBackward0>)
>>> torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
tensor([[1., 1., 1.],
        [1., 1., 1.]], dtype=torch.float64, requires_grad=True)
>>> torch.arange(17.0, dtype=torch.float64, requires_grad=True)
tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,
        14., 15., 16.], dtype=torch.float64, requires_grad=True)
>>> torch.arange(7.0, dtype=torch.float64, requires_grad=True) * 1.125
tensor([0.0000, 1.1250, 2.2500, 3.3750, 4.5000, 5.6250, 6.7500],
       dtype=torch.float64, grad_fn=<MulBackward0>)
>>> torch.ones(3, 2, requires_grad=True).exp()
tensor([[2.7183, 2.7183],
        [2.7183, 2.7183],
        [2.7183, 2.7183]], grad_fn=<ExpBackward0>)
>>> torch.zeros(0, 3, requires_grad=True) * 2
tensor([], size=(0, 3), grad_fn=<MulBackward0>)
>>> torch.set_printoptions(linewidth=37)
>>> torch.ones(2, requires_grad=True)
tensor([1., 1.], requires_grad=True)
>>> torch.set_printoptions(linewidth=36)
>>> torch.ones(2, requires_grad=True)
tensor([1., 1.],
       requires_grad=True)
>>> torch.set_printoptions(profile="default")
""",
    "format": r"""
>>> format(torch.tensor(2.5))
'2.5'
>>> f"{torch.tensor(2.5, requires_grad=True):8.3f}|"
'   2.500|'
>>> f"{torch.tensor(2):.2f} {torch.tensor(True)} {torch.tensor(True):3d}"
'2.00 True   1'
>>> f"{torch.tensor(1 + 2j)} {torch.tensor(1 + 2j):.1f}"
'(1+2j) 1.0+2.0j'
>>> f"{torch.tensor(0.1, dtype=torch.bfloat16)} {torch.tensor(0.1):.10f}"
'0.10009765625 0.1000000015'
>>> f"{torch.ones(2)} {torch.tensor([1.5])}"
'tensor([1., 1.]) tensor([1.5000])'
>>> f"{torch.tensor(2.0):d}"
Traceback (most recent call last):
    ...
ValueError: Unknown format code 'd' for object of type 'float'
>>> f"{torch.ones(1):.2f}"
Traceback (most recent call last):
    ...
TypeError: unsupported format string passed to Tensor.__format__
""",
    "recorded history": r"""
>>> x = torch.tensor([1.0, 2.0], requires_grad=True)
>>> filled = torch.zeros(3)
>>> filled[0] = x[0]
>>> filled
tensor([1., 0., 0.], grad_fn=<CopySlices>)
>>> with torch.no_grad():
...     x * 2
...     x
tensor([2., 4.])
tensor([1., 2.], requires_grad=True)
>>> with torch.inference_mode():
...     x * 2
...     x
...     torch.ones(2, requires_grad=True)
tensor([2., 4.])
tensor([1., 2.], requires_grad=True)
tensor([1., 1.], requires_grad=True)
>>> x.__repr__(tensor_contents="...")
'tensor(..., requires_grad=True)'
""",
    "subclasses": r"""
>>> class Mine(torch.Tensor):
...     pass
>>> torch.ones(2).as_subclass(Mine)
Mine([1., 1.])
>>> torch.arange(30).as_subclass(Mine)
Mine([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
      18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])
>>> f"{torch.tensor(2.0).as_subclass(Mine)}"
'Mine(2.)'
>>> f"{torch.tensor(2.0).as_subclass(Mine):.1f}"
Traceback (most recent call last):
    ...
TypeError: unsupported format string passed to Mine.__format__
""",
    "forward mode": r"""
>>> fwd = torch.autograd.forward_ad
>>> with fwd.dual_level():
...     x = fwd.make_dual(torch.ones(2), torch.tensor([1.0, 2.0]))
...     x
...     x * 2
...     x.sum()
...     f"{x.sum()} {x.sum():.2f}"
...     fwd.make_dual(torch.arange(30.0), torch.arange(30.0))
...     fwd.make_dual(torch.ones(2, requires_grad=True), torch.ones(2)).exp()
tensor([1., 1.], tangent=tensor([1., 2.]))
tensor([2., 2.], tangent=tensor([2., 4.]))
tensor(2., tangent=3.0)
'2.0 2.00'
tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,
        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25., 26., 27.,
        28., 29.],
       tangent=tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,
        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25., 26., 27.,
        28., 29.]))
tensor([2.7183, 2.7183], grad_fn=<ExpBackward0>,
       tangent=tensor([2.7183, 2.7183], grad_fn=<MulBackward0>))
>>> x
tensor([1., 1.])
""",
    "parameters": r"""
>>> torch.nn.Parameter(torch.ones(2))
Parameter containing:
tensor([1., 1.], requires_grad=True)
>>> torch.nn.Parameter(torch.tensor(1.5, dtype=torch.float64))
Parameter containing:
tensor(1.5000, dtype=torch.float64, requires_grad=True)
>>> torch.nn.Parameter(torch.tensor([1, 2]), requires_grad=False)
Parameter containing:
tensor([1, 2])
>>> f"{torch.nn.Parameter(torch.tensor(1.5))}"
'Parameter containing:\ntensor(1.5000, requires_grad=True)'
>>> f"{torch.nn.Parameter(torch.tensor(1.5)):.2f}"
Traceback (most recent call last):
    ...
TypeError: unsupported format string passed to Parameter.__format__
>>> class MyParameter(torch.nn.Parameter):
...     pass
>>> MyParameter(torch.ones(2))
Parameter containing:
Parameter(MyParameter([1., 1.], requires_grad=True))
>>> class Mine(torch.Tensor):
...     pass
>>> torch.nn.Parameter(torch.ones(2).as_subclass(Mine))
Parameter(Mine([1., 1.], requires_grad=True))
>>> torch.nn.Buffer(torch.ones(2))
tensor([1., 1.])
""",
    "custom function": r"""
>>> class Double(torch.autograd.Function):
...     @staticmethod
...     def forward(ctx, x):
...         return 2 * x
...     @staticmethod
...     def backward(ctx, g):
...         return 2 * g
>>> Double.apply(torch.ones(2, requires_grad=True))
tensor([2., 2.], grad_fn=<DoubleBackward>)
""",
    "view without valid history": r"""
>>> y = torch.ones(2, requires_grad=True) * 1
>>> with torch.no_grad():
...     view = y[:1]
>>> view
tensor([1.], requires_grad=True)
>>> _ = y.mul_(2)
>>> view
tensor([2.], grad_fn=<Invalid>)
""",
}


@pytest.fixture(autouse=True)
def restored_defaults():
    yield
    printing.set_printoptions(profile="default")
    chainrule.set_default_dtype(chainrule.float32)


def differences(session: str, torch: ModuleType) -> str:
    """Replays a session with `torch` being that module; a readable account of what printed differently."""
    test = doctest.DocTestParser().get_doctest(session, {"torch": torch}, "session", None, 0)
    account: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.DONT_ACCEPT_TRUE_FOR_1)
    runner.run(test, out=account.append)
    return "".join(account)


@pytest.mark.parametrize("topic", SESSIONS)
def test_session(topic):
    account = differences(SESSIONS[topic], chainrule)
    assert not account, account


def test_a_wrong_session_is_noticed():
    assert "Got:\n    tensor(1)\n" in differences(">>> torch.tensor(1)\ntensor(2)\n", chainrule)


def test_get_printoptions_gives_what_set_printoptions_takes():
    default = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
    assert printing.get_printoptions() == default
    printing.set_printoptions(profile="short", linewidth=100, sci_mode=True)
    changed = {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 100, "sci_mode": True}
    assert printing.get_printoptions() == changed
    printing.set_printoptions(precision=3)  # every other option stays, sci_mode does not
    assert printing.get_printoptions() == {**changed, "precision": 3, "sci_mode": None}
    printing.set_printoptions(**default)
    assert printing.get_printoptions() == default
    printing.get_printoptions()["precision"] = 9  # a copy
    assert printing.get_printoptions() == default


def test_printoptions_holds_within_its_block_only():
    x = chainrule.tensor([1.25])
    before = printing.get_printoptions()
    with printing.printoptions(precision=1, sci_mode=True):
        assert repr(x) == "tensor([1.2e+00])"
        with printing.printoptions(profile="full"):
            assert repr(x) == "tensor([1.2500])"
        assert repr(x) == "tensor([1.2e+00])"
    assert printing.get_printoptions() == before
    with pytest.raises(ZeroDivisionError), printing.printoptions(precision=1):
        1 / 0
    assert printing.get_printoptions() == before
    with pytest.raises(TypeError, match="unexpected keyword"), printing.printoptions(digits=1):
        pass
    assert printing.get_printoptions() == before
