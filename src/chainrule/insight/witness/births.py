"""The operations that made bad numbers of good ones."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from ...tensor import Tensor
from ..badnumbers import is_bad
from .histories import note
from .looking import where
from .notes import Birth

ON_PURPOSE = ("masked_fill", "masked_fill_tensor", "fill", "full_like", "where")  # these are told to put -inf somewhere


class Births:
    """Where bad numbers were born, by the tensor or node that has them."""

    def __init__(self) -> None:
        self._births: dict[int, tuple[weakref.ref, Birth]] = {}

    def look_for_birth(self, name: str, args: tuple, result: Any) -> None:
        """Notes the operation if it made bad numbers of good ones, or which it was that made those it was given."""
        for one in result if isinstance(result, (tuple, list)) else (result,):
            if not isinstance(one, Tensor) or not is_bad(one._array):
                continue
            births = [
                # what was computed and is bad since was filled so, perhaps through .data
                self.birth_of(given) or Birth("" if given._node is None else "fill", where(), [given._array], given)
                for given in args
                if isinstance(given, Tensor) and is_bad(given._array)
            ]
            birth = next((one for one in births if one.operation not in ON_PURPOSE), None)
            if birth is None and births and not np.any(np.isnan(one._array)):
                birth = births[0]  # only infinities that are there on purpose
            if birth is None:
                arrays = [np.array(a._array) if isinstance(a, Tensor) and a._array.size <= 1000 else getattr(a, "_array", a) for a in args]  # fmt: skip
                birth = Birth(name, where(), arrays, None, one._node)
            key = one if one._node is None else one._node
            note(self._births, key, birth)

    def birth_of(self, tensor: Tensor) -> Birth | None:
        """Where a tensor's bad numbers come from."""
        key = tensor if tensor._node is None else tensor._node
        entry = self._births.get(id(key))
        return entry[1] if entry is not None and entry[0]() is key else None
