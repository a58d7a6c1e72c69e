"""Files of one inode, and siblings of one basename, form one entry."""

import pytest

from imgscore.order.entries import Entry, File, Member, basename_key, group
from imgscore.order.plan import plan


def file(path: str, inode: int, score: float | None, mtime_ns: int = 0) -> File:
    return File(path.encode(), mtime_ns, 1, inode, score)


def paths(entries: list[Entry]) -> list[list[str]]:
    return [[member.path.decode() for member in entry.members] for entry in entries]


def test_group_hard_links_become_one_entry_with_the_first_name() -> None:
    entries = group([file("/b.png", 7, 0.4), file("/a.png", 7, 0.4), file("/c.png", 8, 0.1)])
    assert paths(entries) == [["/a.png"], ["/c.png"]]
    elsewhere = file("/d.png", 7, 0.9)._replace(device=2)
    assert paths(group([file("/a.png", 7, 0.4), elsewhere])) == [["/a.png"], ["/d.png"]]


def test_group_raw_jpeg_and_sidecars_become_one_entry_with_the_jpeg_score() -> None:
    family = [
        file("/x/IMG_1.CR2", 1, 0.9),
        file("/x/IMG_1.JPG", 2, 0.3),
        file("/x/IMG_1.xmp", 3, None),
        file("/x/IMG_1.CR2.xmp", 4, None),
        file("/y/IMG_1.jpg", 5, 0.5),
    ]
    first, second = group(family)
    assert paths([first, second]) == [
        ["/x/IMG_1.CR2", "/x/IMG_1.CR2.xmp", "/x/IMG_1.JPG", "/x/IMG_1.xmp"],
        ["/y/IMG_1.jpg"],
    ]
    assert first.score == 0.3
    assert len(group(family, siblings=False)) == 3, "sidecars have no score of their own"
    now_ns = 1_790_000_000 * 10**9
    touches = {touch.path: touch.after_ns for touch in plan([first, second], now_ns)}
    assert len({touches[member.path] for member in first.members}) == 1
    assert len(set(touches.values())) == 2


def test_group_plain_images_of_one_basename_stay_separate() -> None:
    assert len(group([file("/a.jpg", 1, 0.1), file("/a.png", 2, 0.2)])) == 2


def test_group_json_sidecar_joins_only_its_own_image() -> None:
    entries = group(
        [
            file("/x/a.jpg", 1, 0.5),
            file("/x/a.png", 2, 0.1),
            file("/x/a.jpg.json", 3, None),
            file("/x/a.png.supplemental-me.json", 4, None),
            file("/x/b.jpg", 5, 0.3),
            file("/x/b.json", 6, None),
            file("/x/c(1).jpg", 7, 0.2),
            file("/x/c.jpg(1).json", 8, None),
        ]
    )
    assert sorted(paths(entries)) == [
        ["/x/a.jpg", "/x/a.jpg.json"],
        ["/x/a.png", "/x/a.png.supplemental-me.json"],
        ["/x/b.jpg", "/x/b.json"],
        ["/x/c(1).jpg", "/x/c.jpg(1).json"],
    ]


def test_group_hard_link_in_two_folders_joins_both_families() -> None:
    entries = group(
        [
            file("/x/a.jpg", 1, 0.5),
            file("/y/a.jpg", 1, 0.5),
            file("/x/a.nef", 2, 0.1),
            file("/y/a.xmp", 3, None),
        ]
    )
    assert paths(entries) == [["/x/a.jpg", "/x/a.nef", "/y/a.xmp"]]


def test_group_without_jpeg_takes_the_best_score_and_without_score_leaves_out() -> None:
    (entry,) = group([file("/a.dng", 1, 0.2), file("/a.heic", 2, 0.6)])
    assert entry.score == 0.6
    assert group([file("/a.jpg", 1, None), file("/a.xmp", 2, None)]) == []


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (b"/x/a.jpg", (b"/x", b"a")),
        (b"/x/a.b.JPG", (b"/x", b"a.b")),
        (b"/x/a.cr2.xmp", (b"/x", b"a")),
        (b"/x/a.b.xmp", (b"/x", b"a.b")),
        (b"/x/.hidden", (b"/x", b".hidden")),
        (b"bare", (b"", b"bare")),
        (b"/x/\xff.jpg", (b"/x", b"\xff")),
        (b"/x/a.png.json", (b"/x", b"a.png")),
        (b"/x/a.json", (b"/x", b"a")),
        (b"/x/a.b.json", (b"/x", b"a.b")),
        (b"/x/a.JPG.supplemental-metadata.json", (b"/x", b"a.JPG")),
        (b"/x/a.jpg.suppl.json", (b"/x", b"a.jpg")),
        (b"/x/a.jpg(2).json", (b"/x", b"a(2).jpg")),
        (b"/x/a.jpg.supplemental-metadata(2).json", (b"/x", b"a(2).jpg")),
        (b"/x/package.lock.json", (b"/x", b"package.lock")),
    ],
)
def test_basename_key_strips_image_and_sidecar_suffixes(
    path: bytes, key: tuple[bytes, bytes]
) -> None:
    assert basename_key(path) == key


def test_entry_second_is_that_of_most_members() -> None:
    members = tuple(Member(b"%d" % i, s * 10**9 + 5) for i, s in enumerate((4, 9, 4, 7)))
    assert Entry(members, 0.5).second == 4
    assert Entry(members[1:3], 0.5).second == 9, "a draw goes to the newest"
