"""XMP packets: all forms that programs write, and packets that are meant to do harm."""

import pytest

from imgscore import grades
from imgscore.images.ratings import xmp
from imgscore.images.ratings.values import UNRATED, UnreadableError, value_of

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
ATTRIBUTE = 'xmlns:xmp="{xmp}" xmp:Rating="{stars}"'


def packet(attributes: str = "", content: str = "", before: str = "", after: str = "") -> str:
    return (
        f'{before}<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
        f'<rdf:Description rdf:about="" {attributes}>{content}</rdf:Description>'
        f"</rdf:RDF></x:xmpmeta>{after}"
    )


def rated(stars: object) -> str:
    return packet(ATTRIBUTE.format(xmp=XMP, stars=stars))


def value(text: str | bytes) -> float | None:
    data = text.encode() if isinstance(text, str) else text
    return value_of(xmp.ratings(xmp.properties(data)))


@pytest.mark.parametrize(
    ("stars", "expected"),
    [
        ("-1", 0.0),
        ("0", UNRATED),
        ("1", 0.1),
        ("3", 0.5),
        ("5", 0.9),
        ("4.0", 0.7),
        ("4.5", 0.8),
        (" 2 ", 0.3),
        ("", None),
        ("6", None),
        ("-2", None),
        ("five", None),
        ("1e0", None),
        ("nan", None),
        ("٣", None),
    ],
)
def test_value_of_each_number_of_stars(stars: str, expected: float | None) -> None:
    assert value(rated(stars)) == expected


@pytest.mark.parametrize(
    "text",
    [
        packet(f'xmlns:xap="{XMP}" xap:Rating="4"'),
        packet(f"xmlns='{XMP}'", f'<r:Rating xmlns:r="{XMP}">4</r:Rating>'),
        packet(
            "",
            f'<r:Rating xmlns:r="{XMP}" rdf:parseType="Resource">'
            "<rdf:value>4</rdf:value></r:Rating>",
        ),
        packet(
            "",
            f'<r:Rating xmlns:r="{XMP}"><rdf:Description><rdf:value>4</rdf:value>'
            "</rdf:Description></r:Rating>",
        ),
        packet("", f'<r:Rating xmlns:r="{XMP}" rdf:value="4"/>'),
        packet("", f'<r:Rating xmlns:r="{XMP}">\n  4\n</r:Rating>'),
        packet("", f'<r:Rating xmlns:r="{XMP}"><![CDATA[4]]></r:Rating>'),
        packet("", f'<r:Rating xmlns:r="{XMP}">&#52;</r:Rating>'),
        packet(
            "",
            "",
            before="<!-- note --><?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>",
            after="",
        ).replace('rdf:about=""', ATTRIBUTE.format(xmp=XMP, stars=4)),
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        + rated(4)
        + "\n<?xpacket end='w'?>"
        + " " * 2000,
        rated(4) + "\0" * 100,
        rated(4) + "junk of another program",
        f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description/><rdf:Description xmlns:p="{XMP}" '
        'p:Rating="4"/></rdf:RDF>',
        packet(ATTRIBUTE.format(xmp=XMP, stars=4), f'<r:Rating xmlns:r="{XMP}">2</r:Rating>'),
    ],
)
def test_value_of_each_form_of_a_property(text: str) -> None:
    assert value(text) == grades.parse("4")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_value_in_each_encoding(encoding: str) -> None:
    assert (
        value(("<?xml version='1.0'?>" + rated(5) + "<?xpacket end='r'?>  ").encode(encoding))
        == 0.9
    )


def test_value_in_a_declared_encoding_is_read() -> None:
    text = "<?xml version='1.0' encoding='ISO-8859-1'?><!-- \xe4 -->" + rated(2)
    assert value(text.encode("latin-1")) == 0.3


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ('xmlns:d="http://www.digikam.org/ns/1.0/" d:PickLabel="1"', 0.0),
        ('xmlns:d="http://www.digikam.org/ns/1.0/" d:PickLabel="2"', 0.5),
        ('xmlns:d="http://www.digikam.org/ns/1.0/" d:PickLabel="3"', 1.0),
        ('xmlns:d="http://www.digikam.org/ns/1.0/" d:PickLabel="0"', None),
        ('xmlns:m="http://ns.adobe.com/xmp/1.0/DynamicMedia/" m:pick="-1"', 0.0),
        ('xmlns:m="http://ns.adobe.com/xmp/1.0/DynamicMedia/" m:pick="1"', 1.0),
        ('xmlns:w="http://ns.microsoft.com/photo/1.0/" w:Rating="75"', 0.7),
        ('xmlns:w="http://ns.microsoft.com/photo/1.0" w:Rating="99"', 0.9),
        ('xmlns:w="http://ns.microsoft.com/photo/1.0/" w:Rating="1"', 0.1),
        ('xmlns:w="http://ns.microsoft.com/photo/1.0/" w:Rating="0"', UNRATED),
    ],
)
def test_value_of_the_properties_of_other_programs(properties: str, expected: float | None) -> None:
    assert value(packet(properties)) == expected


@pytest.mark.parametrize(
    ("stars", "label", "expected"),
    [
        (4, 1, 0.0),
        (4, 3, 0.7),
        (4, 2, 0.7),
        (0, 3, 1.0),
        (0, 2, 0.5),
        (-1, 3, 0.0),
        (0, 0, UNRATED),
    ],
)
def test_value_of_stars_and_a_pick_label(stars: int, label: int, expected: float) -> None:
    pick = f' xmlns:d="http://www.digikam.org/ns/1.0/" d:PickLabel="{label}"'
    assert value(packet(ATTRIBUTE.format(xmp=XMP, stars=stars) + pick)) == expected


def test_value_of_other_images_in_a_packet_is_ignored() -> None:
    nested = f'<m:Ingredients xmlns:m="urn:m"><rdf:Bag><rdf:li xmlns:p="{XMP}" p:Rating="5">'
    nested += "<p:Rating>5</p:Rating></rdf:li></rdf:Bag></m:Ingredients>"
    assert value(packet("", nested)) is None
    assert value(f'<xmp:Rating xmlns:xmp="{XMP}">5</xmp:Rating>') is None
    assert value(packet('xmlns:xmp="urn:other" xmp:Rating="5"')) is None


def test_value_of_our_own_stars_is_no_rating() -> None:
    own = f' xmlns:i="{xmp.OWN_NAMESPACE}" i:Stars="4"'
    assert value(packet(ATTRIBUTE.format(xmp=XMP, stars=4) + own)) is None
    assert value(packet(ATTRIBUTE.format(xmp=XMP, stars=2) + own)) == 0.3
    assert value(packet(ATTRIBUTE.format(xmp=XMP, stars=-1) + own.replace("4", "-1"))) is None


LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY a "ha">'
    + "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">'
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)
HOSTILE = {
    "billion laughs": LAUGHS + packet("", "&i;"),
    "external entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + packet("", "&e;"),
    "external document type": '<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">' + rated(4),
    "parameter entity": '<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>' + rated(4),
    "undefined entity": packet("", "&nothing;"),
    "deep": "<a>" * 100_000,
    "unclosed": rated(4)[:-5],
    "unbound prefix": packet('xmp:Rating="4"'),
    "empty": "",
    "plain text": "four stars",
    "huge": packet("", " " * (xmp.MAX_BYTES + 1)),
    "ten megabytes": " " * (10 << 20),
    "attributes": packet(" ".join(f'a{number}="1"' for number in range(50_000)) + ' a1="2"'),
    "unknown encoding": "<?xml version='1.0' encoding='klingon'?>" + rated(4),
    "multi-byte encoding": "<?xml version='1.0' encoding='shift_jis'?>" + rated(4),
    "wrong encoding": "<?xml version='1.0' encoding='UTF-16'?>" + rated(4),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_packet_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError) as raised:
        xmp.properties(text.encode())
    assert raised.value.message and raised.value.remedy


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe<\0\0\xd8",
        b"<\0?\0x",
        b"\xff\xfe\0\0\xff\xff\xff\xff",
        b"\xef\xbb\xbf\xff",
        b"\xff",
    ],
)
def test_wrong_bytes_of_an_encoding_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        xmp.properties(data)
