"""torch.ops.aten: operations as objects, for policies of selective checkpoints to compare with.

``torch.ops.aten.mm.default`` is one object for the operation mm, whatever the overload is called.
"""

from __future__ import annotations

from typing import Any

from ..record import REGISTRY, Op

# PyTorch's names for operations that are registered under others.
_NAMES = {
    "add_scaled": "add", "div_number": "div", "log_softmax": "_log_softmax", "matmul": "bmm", "matvec": "mv",
    "max_dim": "max", "mean_dim": "mean", "min_dim": "min", "pow_number": "pow", "pow_of_number": "pow",
    "prod_dim": "prod", "rsub_scaled": "rsub", "softmax": "_softmax", "sub_scaled": "sub", "sum_dim": "sum",
    "vecmat": "mm",
}  # fmt: skip
_overloads: dict[str, OpOverload] = {}


class OpOverload:
    """One operation. Calling it runs the public function of its name."""

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        import chainrule

        return getattr(chainrule, self.name.lstrip("_"))(*args, **kwargs)

    def __repr__(self) -> str:
        return f"aten.{self.name}.default"


class OpOverloadPacket:
    """The overloads of an operation, which are all the same here."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, name: str) -> OpOverload:
        if name.startswith("__"):
            raise AttributeError(name)
        return _overload(self.__name__)

    def __call__(self, *args, **kwargs):
        return _overload(self.__name__)(*args, **kwargs)

    def __repr__(self) -> str:
        return f"aten.{self.__name__}"


def _overload(name: str) -> OpOverload:
    return _overloads.setdefault(name, OpOverload(name))


def overload_of(record: Op) -> OpOverload:
    """The object that stands for a registered operation."""
    return _overload(_NAMES.get(record.name, record.name))


def __getattr__(name: str) -> OpOverloadPacket:
    if name not in REGISTRY and name not in _NAMES.values():
        raise AttributeError(f"chainrule has no torch.ops.aten.{name} (yet)")
    return OpOverloadPacket(name)
