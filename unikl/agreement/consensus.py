"""What several backends say together, for want of a better truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from unikl.agreement.cases import Numbers
from unikl.agreement.judge import judge
from unikl.agreement.structure import Leaf
from unikl.agreement.truth import Target


def majority(
    leaves: Mapping[str, Leaf], sway: Numbers | None, limit: float, norm: bool
) -> tuple[dict[str, Target], bool]:
    """What each backend should have, and whether that is certain.

    `limit` is in eps of the dtype that the leaves are in. Backends that agree with each other are
    one party, and the largest party is right, if it is alone in that and not a single one of
    several; its median is the target. If it is not certain who is right, each party is held
    against the first of the others.
    """
    parties: list[list[str]] = []
    for name, leaf in leaves.items():
        for party in parties:
            first = leaves[party[0]]
            target = Target(first.numbers, np.zeros(first.numbers.shape), first.floating)
            # Only the numbers and their shape count here.
            alike = leaf._replace(traits=first.traits._replace(shape=leaf.traits.shape))
            if judge(alike, first.traits, target, sway, limit, norm).status == "agrees":
                party.append(name)
                break
        else:
            parties.append([name])
    targets = [_median([leaves[name] for name in party]) for party in parties]
    sizes = [len(party) for party in parties]
    largest = max(sizes)
    if len(parties) == 1 or (largest > 1 and sizes.count(largest) == 1):
        return dict.fromkeys(leaves, targets[sizes.index(largest)]), True
    others = [targets[0 if i else 1] for i in range(len(parties))]
    return {name: others[i] for i, party in enumerate(parties) for name in party}, False


def most_common(found: Sequence[str], preferred: str = "") -> str:
    """What most say; where as many say another thing, the preferred one, else the first."""
    counts = Counter(found)
    most = [one for one, count in counts.items() if count == max(counts.values())]
    return preferred if preferred in most else most[0]


def _median(party: Sequence[Leaf]) -> Target:
    """One target of numbers that agree, in NaN and infinities too."""
    stack = np.stack([leaf.numbers for leaf in party])
    with np.errstate(invalid="ignore"):
        middle = np.sort(stack, axis=0)[(len(party) - 1) // 2]
    return Target(middle, np.zeros(middle.shape), party[0].floating)
