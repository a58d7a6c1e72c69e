"""Answer the tasks of the order worker about large inboxes: prepare an order, and plan it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from imgscore.store.store import Store
from imgscore.workers.large_plan import LargePlan
from imgscore.workers.messages import (
    Plan,
    Planned,
)
from imgscore.workers.order_messages import OrderPrepared, PrepareOrder
from imgscore.workers.order_planner import OrderPlanner

if TYPE_CHECKING:
    from imgscore.workers.context import Context

FIRST_BATCH, MESSAGE_BATCH = 256, 1_024
"""The largest number of touches in the first message, and in each other message. One commit writes
the journal of one message. The first message is small, so that the top of the folder is in order
soon."""


def prepare_order(context: Context, task: PrepareOrder) -> OrderPrepared:
    """Load what the plans of some inboxes need."""
    for watch in task.watches:
        context.planner.prepare(watch, task.exclude)
    return OrderPrepared()


def answer_plan(context: Context, task: Plan) -> Iterator[Planned]:
    """Return the answer to a Plan task, in parts of at most MESSAGE_BATCH touches."""
    with context.planner as planner:
        yield from _messages(planner.plan(task.watch, task.head, task.exclude))


def plan_messages(store: Store, task: Plan) -> Iterator[Planned]:
    """Plan an inbox, and yield the plan in parts of at most MESSAGE_BATCH touches."""
    with OrderPlanner(store) as planner:
        yield from _messages(planner.plan(task.watch, task.head, task.exclude))


def _messages(plan: LargePlan) -> Iterator[Planned]:
    ties = plan.ties if plan.store_ties else None
    touches, size = plan.touches(), FIRST_BATCH
    while part := list(islice(touches, size)):
        yield Planned(part, ties, last=False)
        ties, size = None, MESSAGE_BATCH
    yield Planned([], ties, last=True, timeline=plan.plan.timeline, unusable=plan.unusable)
