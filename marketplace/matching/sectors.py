"""The tree of sectors (NAF rev. 2: section, division, group, class, subclass)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from marketplace.matching.validation import IntArray, integers

DEPTH = 5
CLASS_DEPTH = 4


@dataclass(frozen=True, slots=True)
class SectorTree:
    """`path`: (n, 5) int, the row of each sector's ancestor at each depth, itself last; −1 below itself."""

    path: IntArray

    @classmethod
    def from_parents(cls, parents: Sequence[int]) -> "SectorTree":
        """Build the tree from the row of each sector's parent, −1 at the top.

        Raises ValueError for a bad index, a cycle, or a branch deeper than 5.
        """
        rows = integers("parents", parents, low=-1, high=len(parents)).tolist()
        path = np.full((len(rows), DEPTH), -1, np.int64)
        for row in range(len(rows)):
            branch = [row]
            while rows[branch[-1]] >= 0:
                branch.append(rows[branch[-1]])
                if len(branch) > DEPTH:
                    raise ValueError(f"parents must make a tree of depth {DEPTH}: not so above row {row}")
            path[row, : len(branch)] = branch[::-1]
        return cls(path)

    def __len__(self) -> int:
        return len(self.path)

    def shared_depth(self, one: IntArray, other: IntArray) -> IntArray:
        """Return how many levels two sectors share: 0 (not even the section) to 5 (the same subclass)."""
        depth = np.zeros(len(one), np.int64)
        rows = np.arange(len(one))
        for level in range(DEPTH):
            mine, theirs = self.path[one[rows], level], self.path[other[rows], level]
            rows = rows[(mine == theirs) & (mine >= 0)]
            depth[rows] += 1
        return depth
