"""PyTorch's random engine: the Mersenne twister mt19937, its seeding and its state in bytes, run by NumPy."""

from __future__ import annotations

import threading

import numpy as np

WORDS = 624
_STATE = np.dtype(
    {
        "names": ["seed", "left", "seeded", "next", "key", "next_normal", "has_next_normal"],
        "formats": ["<u8", "<i4", "<i4", "<u8", ("<u8", WORDS), "<f8", "<i4"],
        "offsets": [0, 8, 12, 16, 24, 5024, 5040],
        "itemsize": 5056,
    }
)


class MersenneTwister:
    """A stream of 32-bit words, the same as PyTorch's CPU generator draws from the same seed or state.

    NumPy's generator is made when the first word is drawn, because importing `numpy.random` takes as long as
    importing chainrule.
    """

    def __init__(self, seed: int) -> None:
        self.lock = threading.RLock()
        self._engine = None
        self._legacy = None  # NumPy's RandomState around the engine: what seeds as Matsumoto and Nishimura (2002) do
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Starts the stream of a 64-bit seed, of which the engine uses the low 32 bits."""
        with self.lock:
            self.initial_seed = seed
            # The Box-Muller transform makes normal numbers in pairs: the second waits here for the next call.
            self.next_normal: float | None = None
            if self._engine is not None:
                self._legacy.seed(seed & 0xFFFFFFFF)

    def engine(self):
        """NumPy's bit generator, which holds the state."""
        with self.lock:
            if self._engine is None:
                from numpy.random import MT19937, RandomState

                engine = MT19937(0)
                self._legacy = RandomState(engine)
                self._legacy.seed(self.initial_seed & 0xFFFFFFFF)
                self._engine = engine
        return self._engine

    def words(self, count: int) -> np.ndarray:
        """The next `count` 32-bit words, as uint64."""
        return (self._engine or self.engine()).random_raw(count)

    def wide_words(self, count: int) -> np.ndarray:
        """The next `count` 64-bit words: two 32-bit words each, the high one first."""
        pairs = self.words(2 * count)
        wide = pairs[0::2] << np.uint64(32)
        wide |= pairs[1::2]
        return wide

    def state(self) -> np.ndarray:
        """The state as PyTorch lays it out: 5056 bytes, uint8."""
        with self.lock:
            numpy_state = self.engine().state["state"]
            key, position = numpy_state["key"], int(numpy_state["pos"])
            record = np.zeros(1, _STATE)
            record["seed"] = self.initial_seed
            record["seeded"] = 1
            record["key"] = key
            record["left"] = WORDS - position + 1 if position < WORDS else 1
            record["next"] = 0 if position == WORDS and _is_seeding(key) else position
            if self.next_normal is not None:
                record["next_normal"] = self.next_normal
                record["has_next_normal"] = 1
        return record.view(np.uint8)

    def restore(self, state: np.ndarray) -> None:
        """Continues from a state that `state` gave, here or in PyTorch; ValueError if it is not one."""
        record = np.ascontiguousarray(state).view(_STATE)[0]
        left, position = int(record["left"]), int(record["next"])
        if not record["seeded"] or not 0 < left <= WORDS or position > WORDS:
            raise ValueError("Invalid mt19937 state")
        with self.lock:
            self.engine().state = {
                "bit_generator": "MT19937",
                "state": {
                    "key": record["key"].astype(np.uint32),
                    "pos": WORDS if left == 1 else position,
                },
            }
            self.initial_seed = int(record["seed"])
            self.next_normal = float(record["next_normal"]) if record["has_next_normal"] else None


def _is_seeding(key: np.ndarray) -> bool:
    """Whether a key is as its seed made it, no word drawn: PyTorch then counts from 0, not from 624."""
    key = key.astype(np.uint64)
    follows = 1812433253 * (key[:-1] ^ (key[:-1] >> np.uint64(30))) + np.arange(1, WORDS, dtype=np.uint64)
    return bool(((follows & np.uint64(0xFFFFFFFF)) == key[1:]).all())
