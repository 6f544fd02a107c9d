"""How near two skills are: the same, declared related, or in the same domain."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from marketplace.matching.validation import FloatArray, IntArray, integers

# More than there are settings in use at a time.
MATRICES_MAX = 64


@dataclass(frozen=True, slots=True)
class SkillGraph:
    """Domains and relations of n skills.

    Attributes
    ----------
    domain : (n,) int
        The domain of each skill.
    related : (r, 2) int
        Pairs of related skills, each once in each direction, sorted.
    """

    domain: IntArray
    related: IntArray
    _matrices: dict[tuple[float, float], FloatArray] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def from_lists(cls, domain: Sequence[int], related: Iterable[tuple[int, int]]) -> "SkillGraph":
        """Build the graph. `related` may give a pair in one direction or both; ValueError for a bad index."""
        domains = integers("domain", domain, low=0)
        given = np.array(list(related)).reshape(-1, 2)
        ends = integers("related", given.ravel(), low=0, high=len(domains)).reshape(-1, 2)
        ends = ends[ends[:, 0] != ends[:, 1]]
        return cls(domains, np.unique(np.concatenate((ends, ends[:, ::-1])), axis=0))

    def __len__(self) -> int:
        return len(self.domain)

    def similarity(self, *, related: float, same_domain: float) -> FloatArray:
        """Return the (n, n) matrix of similarities: 1 for the same skill, `related`, `same_domain`, or 0.

        It is kept, and must not be written to.
        """
        kept = self._matrices.get((related, same_domain))
        if kept is not None:
            return kept
        matrix = np.where(self.domain[:, None] == self.domain[None, :], same_domain, 0.0)
        matrix[self.related[:, 0], self.related[:, 1]] = related
        np.fill_diagonal(matrix, 1.0)
        matrix.flags.writeable = False
        if len(self._matrices) >= MATRICES_MAX:
            self._matrices.clear()
        self._matrices[related, same_domain] = matrix
        return matrix
