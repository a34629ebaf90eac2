"""Which of the waiting items a free worker takes next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(eq=False)
class QueueItem:
    """Something to be made: `group` is what it shares work with (its clip), `cost` grows with its duration.

    An item with `priority` goes first: it is short work on a result made just now, and its waiting job blocks the next.
    """

    group: str
    cost: float
    priority: bool = False
    tries: int = 0
    excluded_device: str | None = None  # slot where it failed


def next_task(waiting: Sequence[QueueItem], slot: str, last: Mapping[str, str]) -> QueueItem | None:
    """The item for `slot`; None when it should take none now. `waiting` is in order of arrival.

    `last` maps every slot to the group that it works on or did last, empty before its first. A slot keeps to its group
    as long as that has items; then it takes the group with most work left, of those that no other slot keeps where
    there is one. Within a group the costliest comes first, so that a batch has no long tail. An item that failed on a
    slot goes to another one, unless no other is there.
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
