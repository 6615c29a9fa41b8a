"""Paths between groups are those of the graph that its edges say, whatever merges and is cut."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from chainrule.compiler.fuse.paths import Paths


@dataclass(eq=False)
class Place:
    number: int
    ancestors: int = 0


def made(count):
    paths, places = Paths(), [Place(i) for i in range(count)]
    for place in places:
        paths.begin(place)
    return paths, places


def before(place):
    return {i for i in range(place.ancestors.bit_length()) if place.ancestors >> i & 1}


def test_what_follows_reaches_all_behind():
    paths, (a, b, c, d) = made(4)
    paths.follow(d, [c])
    paths.follow(c, [b])
    paths.follow(b, [a])
    assert before(d) == {0, 1, 2}
    assert paths.between(a, c)
    assert not paths.between(a, b)


def test_a_merged_group_has_the_edges_of_both():
    paths, (a, b, c, d, e) = made(5)
    paths.follow(b, [a])
    paths.follow(d, [b])
    paths.follow(e, [c])
    paths.merge(b, c)
    assert (before(c), before(d), before(e)) == ({0}, {0, 2}, {0, 2})
    assert paths.between(a, d)


def test_what_follows_a_group_follows_both_its_parts():
    paths, (a, b, c, d) = made(4)
    paths.follow(b, [a])
    paths.follow(c, [b])
    paths.cut(b, d)
    assert (before(b), before(d), before(c)) == ({0}, {0, 1}, {0, 1, 3})
    assert paths.between(b, c)


@pytest.mark.parametrize("seed", range(20))
def test_random_changes_agree_with_a_search(seed):
    import random

    choose = random.Random(seed)
    paths, places = made(12)
    edges = {i: set() for i in range(12)}
    order = list(range(12))  # a group follows earlier ones only
    alive = list(order)

    def reach(i):
        found, pending = set(), [i]
        while pending:
            for j in edges[pending.pop()] - found:
                found.add(j)
                pending.append(j)
        return found

    for _ in range(40):
        i, j = sorted(choose.sample(alive, 2), key=order.index)
        mid = {k for k in alive if i in reach(k) and k in reach(j)}
        if choose.random() < 0.2 and not mid and len(alive) > 3:
            paths.merge(places[i], places[j])
            edges[j] |= edges.pop(i) - {j}
            for after in edges.values():
                if i in after:
                    after.discard(i)
                    after.add(j)
            edges[j].discard(j)
            order.remove(i)
            alive.remove(i)
            # what followed the one that is gone follows the other: keep an order that allows it
            order.sort(key=lambda k: len(reach(k)))
        else:
            paths.follow(places[j], [places[i]])
            edges[j].add(i)
        for k in alive:
            assert before(places[k]) == reach(k)
        for p in alive:
            for q in alive:
                third = {k for k in alive if p in reach(k) and k in reach(q)}
                assert paths.between(places[p], places[q]) == bool(third)
