"""Operations on the bits of integers, and their common divisors: no derivatives."""

from __future__ import annotations

from ..op import ELEMENTWISE, op
from ..tensor import Tensor
from .publishing import no_kernel, operators, publish

__all__: list[str] = []


def _bitwise(name: str, forward, kernel: str, refused: str = "fcV", **settings):
    function = op(name, kind=ELEMENTWISE, forward=forward, refuses=no_kernel(kernel, refused), **settings)
    return publish(globals(), function)


bitwise_and = _bitwise("bitwise_and", lambda xp, x, y: x & y, "bitwise_and_cpu")
bitwise_or = _bitwise("bitwise_or", lambda xp, x, y: x | y, "bitwise_or_cpu")
bitwise_xor = _bitwise("bitwise_xor", lambda xp, x, y: x ^ y, "bitwise_xor_cpu")
bitwise_not = _bitwise("bitwise_not", lambda xp, x: ~x, "bitwise_not_cpu")
bitwise_left_shift = _bitwise("bitwise_left_shift", lambda xp, x, y: x << y, "lshift_cpu", "bfcV")
bitwise_right_shift = _bitwise("bitwise_right_shift", lambda xp, x, y: x >> y, "rshift_cpu", "bfcV")
gcd = _bitwise("gcd", lambda xp, x, y: xp.gcd(x, y), "gcd_cpu", "bfcV", numbers=False)
lcm = _bitwise("lcm", lambda xp, x, y: xp.lcm(x, y), "lcm_cpu", "bfcV", numbers=False)

operators("and", bitwise_and, "bitwise_and_")
operators("or", bitwise_or, "bitwise_or_")
operators("xor", bitwise_xor, "bitwise_xor_")
operators("lshift", bitwise_left_shift, "bitwise_left_shift_")
operators("rshift", bitwise_right_shift, "bitwise_right_shift_")


def _invert(self):
    if self._array.dtype.kind not in "iub":
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return bitwise_not(self)


Tensor.__invert__ = _invert
