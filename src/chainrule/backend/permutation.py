"""Random permutations, from the places that random numbers chose and in PyTorch's order of exchanges."""

from __future__ import annotations

import numpy as np

_LARGE = 1000  # from here on sorting all exchanges costs less than a loop over them


def exchange(chosen: np.ndarray) -> np.ndarray:
    """0 … n − 1 after each step i exchanged the numbers at places i and chosen[i] ≥ i (Fisher-Yates)."""
    if len(chosen) < _LARGE:
        numbers = list(range(len(chosen)))
        for step, place in enumerate(chosen.tolist()):
            numbers[step], numbers[place] = numbers[place], numbers[step]
        return np.array(numbers, np.int64)
    return _exchange_all(chosen)


def _exchange_all(chosen: np.ndarray) -> np.ndarray:
    """The same without a loop over the steps.

    Step k carries the number that it finds at place k to place chosen[k]. There the next step that chooses
    the place finds it, or else the step whose own place it is. So each step finds what an earlier one
    carried, and these links lead back to a place that nobody chose before.
    """
    count = len(chosen)
    steps = np.arange(count)
    place, step = np.divmod(np.sort(chosen * count + steps), count)  # by place, then in order of time
    again = place[1:] == place[:-1]
    earlier = np.full(count, -1)  # the last step before this one that chose the same place
    earlier[step[1:][again]] = step[:-1][again]
    final = np.append(~again, True)
    source = steps.copy()  # the step that carried a number to place k before step k, or k itself
    source[place[final]] = step[final]
    itself = np.flatnonzero(chosen == steps)
    source[itself] = np.where(earlier[itself] >= 0, earlier[itself], itself)
    while True:
        further = source[source]
        if np.array_equal(further, source):
            break
        source = further
    return np.where(earlier >= 0, source[earlier], chosen)


def grow(chosen, count: int) -> np.ndarray:
    """The permutation grown from the inside out: number i goes to a place ≤ i, whose number moves to place i.

    `chosen` iterates over the places.
    """
    numbers = np.arange(count)
    places = numbers.data  # gives Python integers, at less cost than the array
    for i, place in enumerate(chosen):
        places[i] = places[place]
        places[place] = i
    return numbers
