"""The facts that decide which image of a group is the best, and the order that follows from them.

The score of a head is at chance inside a group, because it is computed from a small view. This
module compares facts of the full resolution. `images/acuity` measures them.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from math import log2, sqrt
from statistics import median
from typing import NamedTuple

VERSION = 6
"""The version of the facts. If it is increased, the images of all groups are measured again."""


class Quality(NamedTuple):
    """The technical quality of one image, at its full resolution. None: not measured."""

    pixels: int | None = None
    """the width × the height"""
    bytes: int | None = None
    """the size of the file"""
    sharpness: float | None = None
    """how much detail a pixel of the sharpest parts has, in bits, without the noise"""
    detail: float | None = None
    """the detail of the whole image, in bits along a side: an enlarged copy has no more of it than
    the small image, and a blurred one has less"""
    noise: float | None = None
    """the standard deviation of the noise in the flat parts, in levels of luma (0 to 255)"""
    step: float | None = None
    """the mean step to which the coarsest JPEG compression has rounded, in levels; 1: not found"""
    compression: int | None = None
    """the quality of the JPEG compression, from 1 to 100; None for other formats"""
    highlights: float | None = None
    """the share of the image that is clipped to white, from 0 to 1"""
    shadows: float | None = None
    """the share of the image that is clipped to black, from 0 to 1"""
    tones: float | None = None
    """the entropy of the luma in bits, from 0 to 6: a wrong exposure joins tones"""
    brightness: float | None = None
    """the mean luma, from 0 to 1"""
    white: float | None = None
    """the luma of the brightest parts, from 0 to 1: a short exposure makes paper grey"""
    ringing: float | None = None
    """the mean range of luma in 3 × 3 calm pixels near edges, in levels: compression makes rings
    around the strokes of a drawing"""

    @property
    def is_measured(self) -> bool:
        """Return whether the pixels were measured."""
        return self.detail is not None


MIN_FRAMED_PIXELS = 1 / 3
"""The smallest number of pixels of an image that comes before its copy in a frame or on a screen,
as a share of the pixels of the picture in that copy. Viewers enlarge images, so the copy may have
more. An image with half of the width and height has a quarter: it is a small copy."""
SIMILAR_DETAIL = 0.8
"""The share of an image's detail that another image must have, so that it can replace it."""
MIN_DETAIL = 0.5
"""The smallest detail of a whole image that comes before its crop, as a share of the detail of the
crop. If two versions of one part differ only by their compression, this share is 0.7 or more."""
MAX_SCALE = 0.15
"""The largest logarithm, to the base 2, of the quotient of two numbers of pixels of one scale."""
MAX_COARSER = 2.5
"""The largest difference of `_step` of an image and its copy: about that of the JPEG qualities 62
and 95. Scaling removes the traces of compression."""
BEHIND = 1e-6
"""The smallest difference between the sums of a whole image and of its crop, so that the whole
image comes first."""
_STEP_OF_PERCENT = 0.117
"""The mean quantisation step of the five measured coefficients that one per cent of the JPEG
standard's table gives, in levels."""


VISIBLE_DETAIL = 16.0
"""The detail of an image that is hardly visible, in bits along a side. In a smooth image, noise and
compression make some bits of detail, which would count as several doublings of nothing."""


def _log(value: float) -> float:
    return log2(1 + value)


def _log_of_detail(value: float) -> float:
    return log2(VISIBLE_DETAIL + value)


def _log_of_square(value: float) -> float:
    return log2(1 + value**2)


def _same(value: float) -> float:
    return value


TONES_WEIGHT = 1.5
"""The weight of the tones in `FACTS`. In a group of drawings, the tones that an image lacks count
instead: how many more an image of equal size has. A smaller copy of a drawing has more tones,
because its strokes are mixed with the paper."""
_CLIPPED = ("highlights",)
FACTS: tuple[tuple[float, str, Callable[[float], float]], ...] = (
    (1.0, "detail", _log_of_detail),
    (0.5, "sharpness", _same),
    (-0.06, "noise", _log_of_square),
    (-2.5, "highlights", sqrt),
    (TONES_WEIGHT, "tones", _same),
    (-4.0, "brightness", _same),
    (0.002, "pixels", _log),
    (0.001, "bytes", _log),
)
"""The weight of each fact, its field in `Quality`, and the function that is applied to it. The unit
of the sum is a doubling of the detail. The weights were fitted to degraded copies of real images,
and judged on other images (bench/RESULTS.md). The numbers of pixels and of bytes decide only
between images that are not measured, or are equal in all else.

An enlarged copy has the detail of the original, but less sharp pixels. A longer exposure clips
highlights, raises the brightness and also the detail of dark parts; a shorter one joins tones. So
the weights of brightness and of tones act against each other, and agree about a good exposure."""
_INDEXED_FACTS = tuple(
    (weight, Quality._fields.index(name), function, name in _CLIPPED)
    for weight, name, function in FACTS
)
_PLAIN_FACTS, _CLIPPED_FACTS = (
    tuple(fact[:3] for fact in _INDEXED_FACTS if fact[3] == is_clipped)
    for is_clipped in (False, True)
)
MAX_CLIPPED = 0.35
"""The largest root of the share of clipped pixels that counts, above the smallest one in the group.
A white background is clipped or not by a change of the exposure that is not visible. In a group of
drawings, half of it counts."""
WHITE_WEIGHT = 16.0
"""The weight of a white that is darker than the brightest one of the group. It counts fully in a
group of drawings, and not in one of photographs, because a brighter photograph can be wrong."""
SIMILAR_WHITE = 0.04
"""The difference of two whites that is no other exposure, but noise or compression."""
DRAWING_TONES, PHOTOGRAPH_TONES = 4.0, 5.5
"""The entropy of the tones of a drawing and of a photograph, in bits. The image of the group with
the largest entropy counts."""
STEP_WEIGHT = 0.35
"""The weight of the excess of the compression's step: how far another image of the group has a
smaller step. This image must have as many pixels and nearly as much detail. A blurred or scaled
copy has no traces of compression, but is not better for that."""
RINGING_WEIGHT = 1.5
"""The weight of the excess of the ringing, in the same way. It counts fully in a group of drawings,
and not in one of photographs, whose texture is no ringing. The other image may have less detail,
because rings count as detail."""
RINGING_UNIT = 3.0
"""The ringing that is hardly visible, in levels."""
SIMILAR_BRIGHTNESS, RINGING_DARKENS = 0.002, 0.006
"""The largest excess of the brightness of an image with less ringing, and how much more it may be
brighter for each unit of `_rings` that it has less. White clips the bright halves of rings, so they
make an image darker. A longer exposure makes it brighter, and clips the rings."""
SIMILAR_RINGING = 0.5
"""The largest difference of `_rings` of an image that has more tones: rings make tones, too."""
SIMILAR_TONES = 0.15
"""The largest number of bits by which an image with a brighter white may have fewer tones."""


def best_first(
    members: Sequence[Quality], wholes: Sequence[tuple[int, int, float]] = ()
) -> list[int]:
    """Return the indices of the members of one group, the best image first.

    `wholes`: (an image, an image that shows less of the picture, the gain of the first one), as
    indices; see `containment.gains`. The first image comes before the other one, unless it has too
    little detail, because it is a small copy, or is blurred.

    A fact that is not measured counts like the median of the fact in the group, so that an image
    is neither better nor worse because it is not measured yet. Equal images keep their sequence.
    """
    count = len(members)
    if count < 2:
        return list(range(count))
    try:
        sums = _sums_of_measured(members)
    except TypeError:  # A fact is None.
        sums = _sums_with_medians(members)
    for index, penalty in _penalties(members):
        sums[index] -= penalty
    if wholes:
        pairs = [(a, b) for a, b, gain in wholes if _replaces(members[a], members[b], gain)]
        _put_behind(sums, pairs)
    return sorted(range(count), key=sums.__getitem__, reverse=True)


def _sums_of_measured(members: Sequence[Quality]) -> list[float]:
    """Return the sums of images that are measured. This takes a third of the time.

    Raises TypeError if an image lacks a fact.
    """
    sums = []
    for member in members:
        total = 0.0
        for weight, at, function in _PLAIN_FACTS:
            total += weight * function(member[at])  # type: ignore[arg-type]
        sums.append(total)
    for weight, at, function in _CLIPPED_FACTS:
        values = [function(member[at]) for member in members]  # type: ignore[arg-type]
        most = min(values) + _most_clipped(members)
        for index, value in enumerate(values):
            sums[index] += weight * min(value, most)
    return sums


def _sums_with_medians(members: Sequence[Quality]) -> list[float]:
    """Return the sums of images of which some lack a fact."""
    count = len(members)
    sums = [0.0] * count
    columns = list(zip(*members, strict=True))
    for weight, at, function, is_clipped in _INDEXED_FACTS:
        column = columns[at]
        if column.count(column[0]) == count:
            continue  # The fact is the same for all, or is not measured.
        known = [function(value) for value in column if value is not None]
        if is_clipped:
            most = min(known) + _most_clipped(members)
            known = [min(value, most) for value in known]
        if len(known) == count:
            values = known
        else:
            middle, rest = median(known), iter(known)
            values = [middle if value is None else next(rest) for value in column]
        sums = [total + weight * value for total, value in zip(sums, values, strict=True)]
    return sums


def _replaces(whole: Quality, part: Quality, gain: float) -> bool:
    """Return whether an image has enough pixels and detail to replace one that shows less.

    A part that was enlarged has more pixels, but not more detail. The detail of a framed or marked
    copy is mostly that of its frame or text: a soft photograph has a hundredth of it. So the detail
    of such a copy counts only if it has more pixels than the image.
    """
    enough = True
    if whole.pixels is not None and part.pixels is not None:
        least = MIN_FRAMED_PIXELS if gain > 1 else SIMILAR_DETAIL**2
        enough = gain**2 * whole.pixels >= least * part.pixels
    if whole.detail is None or part.detail is None:
        return enough
    if enough and gain > 1 and not _is_coarser(whole, part, gain):
        return True
    return gain * whole.detail >= (MIN_DETAIL if enough else SIMILAR_DETAIL) * part.detail


def _is_coarser(whole: Quality, part: Quality, gain: float) -> bool:
    """Return whether an image was compressed more than its framed or marked copy of equal scale.

    Such an image is not what the copy was made of: the copy would have the same traces.
    """
    if not whole.pixels or not part.pixels:
        return False
    scale = gain**2 * whole.pixels / part.pixels
    is_scaled = abs(log2(scale)) > MAX_SCALE
    return not is_scaled and _step(whole) - _step(part) > MAX_COARSER


def _put_behind(sums: list[float], pairs: Sequence[tuple[int, int]]) -> None:
    """Lower the sum of the second image of each pair below that of the first one."""
    for _ in pairs:  # A chain of images has as many links. A circle of them would never end.
        lowered = False
        for first, second in pairs:
            if sums[second] > sums[first] - BEHIND:
                sums[second], lowered = sums[first] - BEHIND, True
        if not lowered:
            return


def _penalties(members: Sequence[Quality]) -> Iterator[tuple[int, float]]:
    """Yield (index of an image, a number to subtract) for each fault that another image lacks."""
    details = [-(member.detail or 0.0) - VISIBLE_DETAIL for member in members]
    steps = [_step(member) for member in members]
    for index, excess in _excesses(members, steps, details, lambda loss: SIMILAR_DETAIL * loss):
        yield index, STEP_WEIGHT * excess
    drawn = _drawn(members)
    if drawn == 0:
        return
    rings, tones = _rings(members), [-tones for tones in _tones(members)]
    lumas = [
        (member.brightness or 0.0) + RINGING_DARKENS * ringing
        for member, ringing in zip(members, rings, strict=True)
    ]
    for index, excess in _excesses(members, rings, lumas, lambda luma: luma + SIMILAR_BRIGHTNESS):
        yield index, drawn * RINGING_WEIGHT * excess
    for index, loss in _excesses(members, tones, rings, lambda ringing: ringing + SIMILAR_RINGING):
        yield index, drawn * TONES_WEIGHT * loss
    for index, tone in enumerate(tones):  # The sum contains all tones.
        yield index, -drawn * TONES_WEIGHT * tone
    for index, loss in _lost_whites(members):
        yield index, drawn * WHITE_WEIGHT * loss


def _excesses(
    members: Sequence[Quality],
    faults: Sequence[float],
    places: Sequence[float],
    reach: Callable[[float], float],
) -> Iterator[tuple[int, float]]:
    """Yield (index of an image, how much larger its fault is than that of a better image).

    The better image has as many pixels, and a place that is at most the reach of the image's place.
    An image without an excess may be left out.
    """
    if faults.count(faults[0]) == len(faults):
        return
    by_pixels: dict[int | None, list[tuple[float, int]]] = {}
    for index, member in enumerate(members):
        if member.detail is not None:
            by_pixels.setdefault(member.pixels, []).append((places[index], index))
    for rivals in by_pixels.values():
        rivals.sort()
        least = list(accumulate((faults[index] for _, index in rivals), min))
        for place, index in rivals:
            end = bisect_left(rivals, (reach(place) + 1e-9,))
            yield index, faults[index] - min(faults[index], least[end - 1])


def _lost_whites(members: Sequence[Quality]) -> Iterator[tuple[int, float]]:
    """Yield (index of an image, how much darker its white is than that of another image).

    The other image has nearly as many tones: a longer exposure makes grey parts white, and joins
    their tones.
    """
    found = [(-(member.tones or 0.0), index) for index, member in enumerate(members)]
    known = sorted(pair for pair in found if members[pair[1]].white is not None)
    whites = list(accumulate((members[index].white or 0.0 for _, index in known), max))
    for tones, index in known:
        end = bisect_left(known, (tones + SIMILAR_TONES + 1e-9,))
        loss = whites[end - 1] - SIMILAR_WHITE - (members[index].white or 0.0)
        if loss > 0:
            yield index, loss


def _drawn(members: Sequence[Quality]) -> float:
    """Return 1 for a group of drawings, 0 for one of photographs, or a number between them."""
    entropies = (member.tones for member in members if member.tones is not None)
    tones = max(entropies, default=PHOTOGRAPH_TONES)
    share = (PHOTOGRAPH_TONES - tones) / (PHOTOGRAPH_TONES - DRAWING_TONES)
    return min(max(share, 0.0), 1.0)


def _most_clipped(members: Sequence[Quality]) -> float:
    """Return MAX_CLIPPED, or half of it in a group of drawings."""
    return MAX_CLIPPED * (1 - _drawn(members) / 2)


def _tones(members: Sequence[Quality]) -> list[float]:
    """Return the tones of the images of a group. Tones that are not measured are the median."""
    known = [member.tones for member in members if member.tones is not None]
    middle = median(known) if known else 0.0
    return [middle if member.tones is None else member.tones for member in members]


def _rings(members: Sequence[Quality]) -> list[float]:
    """Return the logarithms of the ringing of the images of a group.

    An image with too few edges, while others have them, is blurred: it has the largest ringing.
    """
    known = [member.ringing for member in members if member.ringing is not None]
    most = max(known, default=0.0)
    rings = (most if member.ringing is None else member.ringing for member in members)
    return [log2(1 + (ringing / RINGING_UNIT) ** 2) for ringing in rings]


def _step(image: Quality) -> float:
    """Return the logarithm of the rounding of the coarsest compression; 0: not found.

    The step is that found in the pixels, or that of the file if it is larger. Steps below 4 levels
    are hardly visible.
    """
    step, quality = image.step, image.compression
    if step is None:
        return 0.0
    if quality is not None:
        percent = 200 - 2 * quality if quality >= 50 else 5000 / max(1, quality)
        step = max(step, _STEP_OF_PERCENT * percent)
    return log2(1 + step**2 / 16)
