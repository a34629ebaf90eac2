"""Selection of the next item for a free slot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(eq=False)
class QueueItem:
    """An item to compute.

    group: items of one group share work (those of a clip). cost: grows with the duration. priority: goes first, for
    short work on a new result whose job blocks the next one. tries: failed attempts. excluded_device: slot of the last
    failure.
    """

    group: str
    cost: float
    priority: bool = False
    tries: int = 0
    excluded_device: str | None = None


def next_task(waiting: Sequence[QueueItem], slot: str, last: Mapping[str, str]) -> QueueItem | None:
    """Select the next item for a slot.

    A slot continues with its group as long as it has items. Then it takes the group with the largest remaining cost,
    preferably one that no other slot works on. Within a group, the most expensive item goes first, so that a batch has
    no long tail. An item that failed on a slot goes to another one if there is one.

    Parameters
    ----------
    waiting
        Items in order of arrival.
    slot
        The free slot.
    last
        The current or last group of each slot, empty before the first.

    Returns
    -------
    QueueItem or None
    """
    others = [name for name in last if name != slot]
    open_to = [item for item in waiting if item.excluded_device != slot or not others]
    if not open_to:
        return None
    open_to = [item for item in open_to if item.priority] or open_to
    mine = [item for item in open_to if item.group == last.get(slot)]
    if not mine:
        kept = {last[name] for name in others}
        free = [item for item in open_to if item.group not in kept] or open_to
        work: defaultdict[str, float] = defaultdict(float)
        for item in free:
            work[item.group] += item.cost
        best = max(work, key=work.__getitem__)
        mine = [item for item in free if item.group == best]
    return max(mine, key=lambda item: item.cost)
