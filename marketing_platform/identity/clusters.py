"""From pairs of records that are likely one person to persons."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Numbers = NDArray[np.int64]

# Two groups of records are one person where the mean probability across them is at least this. More
# is better in files in which names repeat, less where records of one person have many mistakes.
_LEAST_MEAN: Final = 0.25
# Two people of one household stay apart, though one more record may be of either.
_AGAINST: Final = -2.0


def cluster(pairs: pl.DataFrame, size: int, threshold: float) -> Numbers:
    """A number for each of `size` records, the same for the same person.

    `pairs` has left, right, probability, and is_two where they are two people for certain. Records
    that are tied by pairs of at least `threshold`, through any number of hops, are one person, as
    far as those agree that no pair ties: from the likeliest pair on, two groups are joined if all
    pairs across them are likely enough on average (Sokal and Michener 1958), those not in `pairs`
    counting as 0.
    """
    left, right = pairs["left"].to_numpy(), pairs["right"].to_numpy()
    said = pairs["probability"].to_numpy()
    ties = said >= threshold
    knots = _connected(left[ties], right[ties], size)
    # Where every pair is a tie there is nothing to ask.
    sizes = np.bincount(knots, minlength=size)
    tied = np.bincount(knots[left[ties]], minlength=size)
    is_open = (tied < sizes * (sizes - 1) // 2)[knots]
    asked = is_open[left] & (knots[left] == knots[right])
    weights = np.where(pairs["is_two"].to_numpy(), _AGAINST, said)
    joined = _join(left[asked], right[asked], weights[asked], ties[asked])
    closed = ~is_open[left] & ties
    return _connected(
        np.concatenate([left[closed], joined[:, 0]]),
        np.concatenate([right[closed], joined[:, 1]]),
        size,
    )


def _connected(left: Numbers, right: Numbers, size: int) -> Numbers:
    ties = (np.ones(len(left), dtype=np.int8), (left, right))
    _, labels = connected_components(coo_array(ties, shape=(size, size)), directed=False)
    return np.asarray(labels, dtype=np.int64)


def _join(
    left: Numbers, right: Numbers, weights: NDArray[np.float64], ties: NDArray[np.bool_]
) -> Numbers:
    """The ties, of shape (ties, 2), that hold: each joins two groups that agree on average."""
    # Of each group its records, and the sum of the weights of pairs to each other group.
    count: dict[int, int] = {}
    towards: dict[int, dict[int, float]] = {}
    part_of: dict[int, int] = {}
    for one, other, weight in zip(left.tolist(), right.tolist(), weights.tolist(), strict=True):
        for a, b in ((one, other), (other, one)):
            towards.setdefault(a, {})[b] = weight
            count[a], part_of[a] = 1, a

    def group(record: int) -> int:
        while part_of[record] != record:
            part_of[record] = part_of[part_of[record]]
            record = part_of[record]
        return record

    held = []
    tied = np.flatnonzero(ties)
    for place in tied[np.argsort(-weights[tied], kind="stable")].tolist():
        pair = int(left[place]), int(right[place])
        small, large = sorted(map(group, pair), key=lambda one: len(towards[one]))
        if small == large:
            continue
        if towards[small].get(large, 0.0) < _LEAST_MEAN * count[small] * count[large]:
            continue
        held.append(pair)
        part_of[small] = large
        count[large] += count.pop(small)
        for other, weight in towards.pop(small).items():
            del towards[other][small]
            if other != large:
                towards[large][other] = towards[large].get(other, 0.0) + weight
                towards[other][large] = towards[large][other]
    return np.array(held, dtype=np.int64).reshape(-1, 2)
