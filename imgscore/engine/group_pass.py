"""The comparison of all images: the trainer chooses pairs, file workers compare them in blocks, and
the trainer makes the groups.

The blocks of pairs are in the store. If a worker ends, its block is compared again. If the daemon
ends, or the trainer ends before all pairs are chosen, the comparison begins again.
"""

from collections import deque

from imgscore.store import pair_blocks
from imgscore.store.pair_blocks import BLOCK_PAIRS
from imgscore.store.transaction import Txn
from imgscore.workers.group_messages import ComparePairs, FindGroups, FindPairs, GroupsFound

PassTask = FindPairs | ComparePairs | FindGroups


class GroupPass:
    """The state of a comparison of all images, which may not have begun yet."""

    def __init__(self) -> None:
        self.block_pairs = BLOCK_PAIRS
        """the largest number of pairs in a block"""
        self._trainer: FindPairs | FindGroups | None = None
        """the task that the trainer does for this comparison"""
        self._compared: set[int] = set()
        """the numbers of the blocks that file workers compare now"""
        self._begin_again()

    def _begin_again(self) -> None:
        self._has_pairs = self._completed = False
        self._left: deque[int] = deque()
        """the numbers of the blocks that no worker has"""
        self._number = self._done = self._total = 0

    @property
    def is_out(self) -> bool:
        """Return whether a worker has a task of this comparison."""
        return self._trainer is not None or bool(self._compared)

    @property
    def progress(self) -> tuple[int, int] | None:
        """The numbers of compared blocks and of all blocks; None while they are not known."""
        return (self._done, self._total) if self._has_pairs else None

    @property
    def needs_trainer(self) -> bool:
        """Return whether the next task is one for the trainer."""
        return not self._left and not self.is_out

    @property
    def needs_file_worker(self) -> bool:
        """Return whether a block waits for a file worker."""
        return self._has_pairs and self._trainer is None and bool(self._left)

    def next_task(self, txn: Txn) -> PassTask | None:
        """Return the next task, or None if it depends on tasks that workers have."""
        while self.needs_file_worker:
            block = pair_blocks.get(txn, self._left[0])
            if block is not None:
                return ComparePairs(self._left[0], block)
            self._left.popleft()
        if not self.needs_trainer:
            return None
        return FindGroups(self._completed) if self._has_pairs else FindPairs(self.block_pairs)

    def sent(self, task: PassTask) -> None:
        """Note that a worker has got the result of `next_task`."""
        if isinstance(task, ComparePairs):
            self._left.remove(task.number)
            self._compared.add(task.number)
        else:
            self._trainer = task
            if isinstance(task, FindPairs):
                self._begin_again()

    def expects(self, task: PassTask) -> bool:
        """Return whether an answer to `task` still counts."""
        return isinstance(task, ComparePairs) or task is self._trainer

    def store(self, txn: Txn, task: PassTask, found: GroupsFound) -> list[int]:
        """Write the blocks of an answer, and delete the block that is compared.

        The index, the links and the groups are written elsewhere. Return the numbers of the blocks.
        """
        if isinstance(task, ComparePairs):
            pair_blocks.delete(txn, task.number)
        numbers = list(range(self._number, self._number + len(found.blocks)))
        for number, block in zip(numbers, found.blocks, strict=True):
            pair_blocks.put(txn, number, block)
        return numbers

    def stored(self, task: PassTask, found: GroupsFound, numbers: list[int]) -> None:
        """Note that an answer is stored. `numbers`: the result of `store`."""
        self._left += numbers
        self._number += len(numbers)
        self._total += len(numbers)
        if isinstance(task, ComparePairs):
            self._compared.discard(task.number)
            self._done += 1
        elif found.last:
            self._trainer = None
            self._completed = isinstance(task, FindGroups)
            self._has_pairs = True
            if found.state is not None:
                self._begin_again()

    def repeat(self, task: PassTask) -> None:
        """Let a task be done again, because it was not done, or its answer could not be stored."""
        if isinstance(task, ComparePairs):
            self._compared.discard(task.number)
            if self._has_pairs:  # Else the comparison begins again.
                self._left.appendleft(task.number)
        elif task is self._trainer:
            self._trainer = None
            if isinstance(task, FindPairs):
                self._begin_again()

    def give_up(self, task: PassTask) -> None:
        """Begin again later, because a task has failed."""
        if isinstance(task, ComparePairs):
            self._compared.discard(task.number)
        elif task is self._trainer:
            self._trainer = None
        self._begin_again()
