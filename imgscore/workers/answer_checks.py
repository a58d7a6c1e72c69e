"""Checks whether an answer of a worker fits its task, before anything of the answer is used.

A hostile image can take control of the worker that decodes it. Such a worker can send any bytes.
The checks load no numpy, because they run in the daemon.
"""

import math
import struct
from collections.abc import Iterable
from operator import attrgetter
from typing import Any, get_args

import msgspec

from imgscore.images.ratings.names import exact_sidecars, stem_sidecars
from imgscore.images.ratings.values import UNRATED
from imgscore.images.traits import Traits
from imgscore.store.schema import DIGEST_SIZE, LATEST_NS, Fingerprint, HeadRecord
from imgscore.watches import within
from imgscore.workers.group_messages import (
    CompareNew,
    ComparePairs,
    FindGroups,
    FindPairs,
    GroupsFound,
)
from imgscore.workers.library_messages import (
    LibraryPrepared,
    PrepareLibrary,
    PrepareRows,
    RowsPrepared,
)
from imgscore.workers.link_messages import LinksRefreshed, RefreshLinks
from imgscore.workers.messages import (
    Answer,
    BackedUp,
    BackUp,
    DeviceTried,
    FileIndexed,
    IndexFile,
    MakeThumbnail,
    ModelUnavailable,
    NeedsMemory,
    Notice,
    Plan,
    Planned,
    Progressed,
    Refused,
    Rescore,
    Scored,
    Task,
    ThumbnailMade,
    Train,
    Trained,
    TryDevice,
    Unreadable,
    Unstable,
    WrongAnswerError,
)
from imgscore.workers.order_messages import OrderPrepared, PrepareOrder
from imgscore.workers.prune_messages import Prune, Pruned
from imgscore.workers.quality_messages import MeasureQuality, QualityMeasured
from imgscore.workers.queries import Query, QueryRows
from imgscore.workers.rating_messages import RatingsRead, ReadRatings

MAX_TEXT = 100_000
"""The largest number of characters in the texts of one answer. An honest text has a few hundred."""
MAX_NAME_KEY_BYTES = 511
"""The largest key of LMDB, in bytes."""
MAX_COUNT = 1 << 63
"""The limit of each integer in an answer. LMDB's and struct's integers have 64 bits."""
_ANY_TASK = (Refused, ModelUnavailable, Notice, Progressed)
_FILE = (Unstable, Unreadable, NeedsMemory, *_ANY_TASK)
_FITTING: dict[type, tuple[type, ...]] = {
    IndexFile: (FileIndexed, *_FILE),
    MakeThumbnail: (ThumbnailMade, *_FILE),
    MeasureQuality: (QualityMeasured, *_FILE),
    FindPairs: (GroupsFound, *_ANY_TASK),
    ComparePairs: (GroupsFound, NeedsMemory, *_ANY_TASK),
    FindGroups: (GroupsFound, *_ANY_TASK),
    CompareNew: (GroupsFound, NeedsMemory, *_ANY_TASK),
    ReadRatings: (RatingsRead, *_FILE),
    TryDevice: (DeviceTried, *_ANY_TASK),
    Rescore: (Scored, *_ANY_TASK),
    Train: (Trained, *_ANY_TASK),
    PrepareLibrary: (LibraryPrepared, *_ANY_TASK),
    PrepareRows: (RowsPrepared, *_ANY_TASK),
    PrepareOrder: (OrderPrepared, *_ANY_TASK),
    Plan: (Planned, *_ANY_TASK),
    BackUp: (BackedUp, *_ANY_TASK),
    Prune: (Pruned, *_ANY_TASK),
    RefreshLinks: (LinksRefreshed, *_ANY_TASK),
}
_score = struct.Struct(f"<{DIGEST_SIZE}sff")
# Returns the fields of traits that are numbers, but for the one that can be None.
_numbers = attrgetter(
    *(field.name for field in msgspec.structs.fields(Traits) if field.type in (int, float))
)
# Maps the high byte of a float16 to 1 if the value is NaN or infinite: all bits of its exponent are
# set. `bytes.translate` checks a vector about a hundred times as fast as a loop.
_NOT_FINITE = bytes((byte & 0x7C) == 0x7C for byte in range(256))


def check(task: Task | None, answer: Answer, dim: int | None) -> None:
    """Raise WrongAnswerError if `answer` is no possible answer to `task`.

    `task`: the oldest task of the worker, or None if the worker has no task. `dim`: the number of
    values in the vector of an image, or None if it is not known.
    """
    if task is None:
        raise WrongAnswerError("answers without a task")
    if not isinstance(answer, _FITTING.get(type(task), (QueryRows, *_ANY_TASK))):
        raise WrongAnswerError(f"answers {type(task).__name__} by {type(answer).__name__}")
    try:
        if not _is_possible(task, answer, dim):
            raise WrongAnswerError(f"sends an impossible {type(answer).__name__}")
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise WrongAnswerError(f"sends an impossible {type(answer).__name__}: {error}") from None


def _is_possible(task: Task, answer: Answer, dim: int | None) -> bool:
    match answer:
        case FileIndexed():
            return is_file(answer, dim)
        case RatingsRead():
            return isinstance(task, ReadRatings) and _are_ratings(answer, task.path)
        case GroupsFound():
            return _are_groups(answer) and _are_of_task(answer, task)
        case QualityMeasured(quality):
            return all(value is None or 0 <= value < MAX_COUNT for value in quality)
        case Scored(packed):
            return len(packed) % _score.size == 0 and all(
                _is_score(score, deviation) for _, score, deviation in _score.iter_unpack(packed)
            )
        case Trained(record):
            return isinstance(task, Train) and _is_head(record, task)
        case Planned(touches, ties, _, _):
            inbox = task.watch.inbox if isinstance(task, Plan) else b""
            return (ties is None or _finite(ties.knots)) and all(
                within(touch.sighting.path, inbox)
                and len(touch.sighting.digest) == DIGEST_SIZE
                and _is_fingerprint(touch.sighting.seen)
                and 0 <= touch.after_ns < MAX_COUNT
                for touch in touches
            )
        case Pruned(expired):
            return 0 <= expired.touches < MAX_COUNT and all(
                len(digest) == DIGEST_SIZE
                and all(0 < len(key) <= MAX_NAME_KEY_BYTES for key in keys)
                for digest, keys in expired.images.items()
            )
        case LinksRefreshed(files, changed, problem, seconds):
            counts_fit = 0 <= files < MAX_COUNT and 0 <= changed < MAX_COUNT
            return counts_fit and math.isfinite(seconds) and len(problem or "") <= MAX_TEXT
        case QueryRows(rows):
            return isinstance(task, Query) and all(isinstance(row, rows_of(task)) for row in rows)
        case (
            Refused(reason, remedy)
            | Unreadable(reason, remedy)
            | Notice(reason, remedy)
            | ModelUnavailable(reason, remedy)
        ):
            return len(reason) + len(remedy) <= MAX_TEXT
        case _:
            return True


def _are_groups(answer: GroupsFound) -> bool:
    digests = [*answer.done, *answer.regrouped]
    digests += [digest for link in answer.links for digest in (link.first, link.second)]
    digests += [digest for group in answer.groups for digest in group.members]
    return (
        all(len(digest) == DIGEST_SIZE for digest in digests)
        and all(0 < len(key) <= MAX_NAME_KEY_BYTES for key, _ in answer.entries)
        and _finite([number for link in answer.links for number in (link.strength, link.gain)])
        and _finite([gain for group in answer.groups for _, _, gain in group.wholes])
        and all(len(group.why) <= MAX_TEXT for group in answer.groups)
    )


def _are_of_task(answer: GroupsFound, task: Task) -> bool:
    """Return whether the answer of a file worker concerns only the images of its task."""
    match task:
        case CompareNew(digests):
            return _are_groups_of(answer, digests)
        case ComparePairs():
            return _are_links_of(answer, task)
        case _:
            return True


def _are_groups_of(answer: GroupsFound, digests: list[bytes]) -> bool:
    """Return whether the answer can come from a comparison of new images.

    A file worker sends it, which a hostile image may have taken over. So it may add links of the
    new images only. The daemon checks the groups against all links when it stores them.
    """
    new = set(digests)
    regrouped = set(answer.regrouped)
    members = [digest for group in answer.groups for digest in group.members]
    return (
        answer.last
        and not answer.first
        and answer.state is None
        and new.issuperset(answer.done)
        and all(key[-DIGEST_SIZE:] in new for key, _ in answer.entries)
        and all(link.first in new or link.second in new for link in answer.links)
        and len(set(members)) == len(members)
        and regrouped.issuperset(members)
        and all(
            {whole, part}.issubset(group.members)
            for group in answer.groups
            for whole, part, _ in group.wholes
        )
    )


def _are_links_of(answer: GroupsFound, task: ComparePairs) -> bool:
    """Return whether the answer has nothing but links of pairs of the block.

    A file worker sends it, which a hostile image may have taken over.
    """
    images = task.block.images()
    pairs = {frozenset((images[one], images[other])) for one, other in task.block.iter_places()}
    return answer == GroupsFound(last=True, links=answer.links) and all(
        frozenset((link.first, link.second)) in pairs for link in answer.links
    )


def _are_ratings(answer: RatingsRead, path: bytes) -> bool:
    """Return whether the sources can be those of the image at `path`, each at most once."""
    places = {
        "sidecar": exact_sidecars(path),
        "stem": stem_sidecars(path),
        "file": [path],
        "xattr": [path],
    }
    sources = answer.sources
    return (
        _is_fingerprint(answer.seen)
        and len({source.name for source in sources}) == len(sources)
        and all(
            source.path in places[source.name]
            and _is_fingerprint(source.seen)
            and (source.value is None or source.value == UNRATED or 0 <= source.value <= 1)
            and len(source.problem) <= MAX_TEXT
            for source in sources
        )
    )


def rows_of(task: Query[Any]) -> tuple[type, ...]:
    """Return the types of the rows that answer a query."""
    (row,) = get_args(type(task).__orig_bases__[0])  # type: ignore[attr-defined]
    return get_args(row) or (row,)


def is_file(answer: FileIndexed, dim: int | None) -> bool:
    """Return whether the values of `answer` are possible. `dim`: see `check`."""
    vector, name, failure = answer.vector, answer.name, answer.failure
    return (
        _is_fingerprint(answer.seen)
        and len(answer.digest) == DIGEST_SIZE
        and (vector is None or (_is_vector(vector) and dim in (None, len(vector) // 2)))
        and (answer.score is None or _is_score(*answer.score))
        and (name is None or (0 < len(name[0]) <= MAX_NAME_KEY_BYTES and _is_vector(name[1])))
        and (failure is None or len(failure.reason) + len(failure.remedy) <= MAX_TEXT)
        and (answer.traits is None or _are_traits(answer.traits))
    )


def _is_fingerprint(seen: Fingerprint) -> bool:
    return (
        0 <= seen.dev <= LATEST_NS
        and 0 <= seen.ino <= LATEST_NS
        and 0 <= seen.size < 1 << 56
        and -MAX_COUNT <= seen.ctime_ns < MAX_COUNT
    )


def _is_vector(vector: bytes) -> bool:
    return len(vector) % 2 == 0 and 1 not in vector[1::2].translate(_NOT_FINITE)


def _is_score(score: float, deviation: float) -> bool:
    return 0 <= score <= 1 and 0 <= deviation < math.inf


def _are_traits(traits: Traits) -> bool:
    numbers, bias = _numbers(traits), traits.exposure_bias
    total = sum(numbers)
    # NaN and infinity make the difference NaN. A generator would take four times as long.
    if total - total != 0 or not -MAX_COUNT < min(numbers) <= max(numbers) < MAX_COUNT:
        return False
    texts = len(traits.format) + len(traits.camera) + len(traits.software) + len(traits.taken)
    return (bias is None or _finite([bias])) and texts <= MAX_TEXT


def _finite(numbers: Iterable[float]) -> bool:
    return all(-MAX_COUNT < number < MAX_COUNT for number in numbers)


def _is_head(record: HeadRecord, task: Train) -> bool:
    numbers = (
        record.created_ns,
        record.labels,
        record.label_sequence,
        record.comparisons,
        record.comparison_sequence,
    )
    return (
        record.taste == task.taste
        and record.version.isascii()
        and record.version.isdigit()
        and len(record.version) <= 18
        and all(0 <= number < MAX_COUNT for number in numbers)
        and len(msgspec.json.encode(record.report)) <= 1 << 20
    )
