"""The graph of skills and the tree of sectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.matching import SectorTree, SkillGraph

RELATED, DOMAIN = 0.7, 0.4


def similarity(graph):
    return graph.similarity(related=RELATED, same_domain=DOMAIN)


def test_a_skill_is_near_itself_related_ones_and_its_domain_in_this_order():
    graph = SkillGraph.from_lists([0, 0, 0, 1], [(0, 1), (0, 3)])

    assert similarity(graph)[0].tolist() == [1.0, RELATED, DOMAIN, RELATED]
    assert similarity(graph)[1].tolist() == [RELATED, 1.0, DOMAIN, 0.0]


@given(
    st.integers(1, 8).flatmap(
        lambda n: st.tuples(
            st.lists(st.integers(0, 3), min_size=n, max_size=n),
            st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))),
        )
    )
)
def test_similarity_is_the_same_both_ways_and_whole_only_with_oneself(lists):
    matrix = similarity(SkillGraph.from_lists(*lists))

    np.testing.assert_array_equal(matrix, matrix.T)
    assert (np.diag(matrix) == 1).all()
    assert (matrix[~np.eye(len(matrix), dtype=bool)] < 1).all()


@pytest.mark.parametrize(
    ("domain", "related", "name"),
    [
        ([-1], [], "domain"),
        ([0.5], [], "domain"),
        ([[0]], [], "domain"),
        ([0], [(0, 1)], "related"),
        ([0], [(-1, 0)], "related"),
    ],
)
def test_a_graph_of_skills_refuses_what_is_out_of_range(domain, related, name):
    with pytest.raises(ValueError, match=name):
        SkillGraph.from_lists(domain, related)


def test_sectors_share_as_many_levels_as_their_branches_have_in_common():
    tree = SectorTree.from_parents([-1, 0, 1, 2, 3, 3, -1])

    shared = tree.shared_depth(np.array([4, 4, 4, 4, 3, 6]), np.array([4, 5, 1, 6, 3, 6]))

    assert shared.tolist() == [5, 4, 2, 0, 4, 1]


@pytest.mark.parametrize("parents", [[0], [1, 0], [1, 2, 0], [-2], [1], [0.5], [-1, 0, 1, 2, 3, 4]], ids=str)
def test_a_tree_with_a_cycle_a_bad_row_or_a_sixth_level_is_refused(parents):
    with pytest.raises(ValueError, match="parents"):
        SectorTree.from_parents(parents)


def test_an_empty_tree_and_an_empty_graph_are_possible():
    assert len(SectorTree.from_parents([])) == 0
    assert len(SkillGraph.from_lists([], [])) == 0
