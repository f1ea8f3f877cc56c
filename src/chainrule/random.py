"""torch.random: the generator that random functions use by default, its seed and its state."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from .backend import generator as backend
from .size import CPU, check_device, device
from .tensor import Tensor, wrap

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]

_STATE_BYTES = 5056


class Generator(backend.Generator):
    """A source of random numbers: PyTorch's CPU generator, number for number.

    A new one has the seed 67280421310721. RuntimeError or AssertionError for a device other than the CPU.
    """

    __module__ = "torch._C"

    def __init__(self, device="cpu") -> None:
        check_device(device)
        super().__init__()

    @property
    def device(self) -> device:
        return CPU

    def manual_seed(self, seed: int) -> Generator:
        """Restarts the stream from a seed of 64 bits, signed or unsigned, and returns the generator."""
        if isinstance(seed, bool) or not hasattr(seed, "__index__"):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        seed = seed.__index__()
        if not -(2**63) <= seed < 2**64:
            raise ValueError("Overflow when unpacking long long")
        super().manual_seed(seed)
        return self

    def get_state(self) -> Tensor:
        """The state as a uint8 tensor of 5056 elements, which PyTorch's generators also understand."""
        return wrap(super().get_state())

    def set_state(self, new_state: Tensor) -> Generator:
        """Continues from a state; TypeError or RuntimeError where it is not one."""
        if not isinstance(new_state, Tensor):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        state = new_state._array
        if state.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if state.size != _STATE_BYTES:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {_STATE_BYTES} but found the input RNG state size to "
                f"be {state.size}"
            )
        try:
            super().set_state(state.reshape(-1))
        except ValueError as error:
            raise RuntimeError(str(error)) from None
        return self

    def clone_state(self) -> Generator:
        """Another generator, which continues as this one does."""
        return Generator().set_state(self.get_state())

    def get_offset(self) -> int:
        """RuntimeError: only devices' generators have an offset."""
        raise RuntimeError("CPU Generator does not use offset")

    def set_offset(self, offset: int) -> Generator:
        """RuntimeError: only devices' generators have an offset."""
        raise RuntimeError("CPU Generator does not use offset")

    def __reduce__(self):
        return _restored, (super().get_state(),)


def _restored(state: np.ndarray) -> Generator:
    """A generator in a state: how one is unpickled and copied."""
    generator = Generator()
    backend.Generator.set_state(generator, state)
    return generator


default_generator = Generator()
default_generator.seed()


def manual_seed(seed) -> Generator:
    """Seeds the default generator, so that the numbers drawn from it repeat; anything `int()` takes will do."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seeds the default generator from the operating system, and returns that seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed the default generator was last seeded with."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator, a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Puts the default generator into a state that `get_rng_state` gave, here or in PyTorch."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(
    devices=None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str | None = None,
) -> Iterator[None]:
    """What is drawn inside leaves the default generator's state as it was, unless not `enabled`.

    AssertionError for devices, of which there are none.
    """
    device(device_type or "cuda")
    if not enabled:
        yield
        return
    if devices is not None and len(list(devices)):
        raise AssertionError("Torch not compiled with CUDA enabled")
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
