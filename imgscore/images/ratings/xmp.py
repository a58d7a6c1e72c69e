"""Read the rating from an XMP packet, which is XML. The packet is untrusted.

The parser is expat, without a tree: only the properties of the image itself are kept. A document
type is refused, so no entity can be defined. The size and the depth are limited.
"""

from typing import NoReturn
from xml.parsers import expat

from imgscore.images.ratings.values import Scale, UnreadableError

MAX_BYTES = 4 << 20
"""The size in bytes of the largest packet that is parsed, which takes 0.1 s. Packets have a few
kilobytes; with the masks of an editor, they have up to two megabytes."""
MAX_DEPTH = 100
"""The largest depth of the elements. Programs write at most about fifteen."""
MAX_VALUE = 64
"""The largest number of characters of a value that are kept. A rating has at most a few."""
OWN_NAMESPACE = "http://imgscore/ns/1.0/"
"""The namespace of the stars that imgscore writes itself. Programs only compare it as a text."""
EXTENSION = "http://ns.adobe.com/xmp/note/ HasExtendedXMP"
"""The property that names the rest of a packet that is too large for one segment of a JPEG."""

_RDF_NAMESPACE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_RDF, _ABOUT, _VALUE = (f"{_RDF_NAMESPACE} {name}" for name in ("RDF", "Description", "value"))
_SCALES: dict[str, Scale] = {
    "http://ns.adobe.com/xap/1.0/ Rating": "stars",
    "http://ns.microsoft.com/photo/1.0/ Rating": "percent",
    "http://ns.microsoft.com/photo/1.0 Rating": "percent",
    "http://www.digikam.org/ns/1.0/ PickLabel": "digikam",
    "http://ns.adobe.com/xmp/1.0/DynamicMedia/ pick": "pick",
    f"{OWN_NAMESPACE} Stars": "own",
}
"""The properties that contain a rating, as expat names them: namespace, space, name."""
_WANTED = frozenset({*_SCALES, EXTENSION})
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
"""The first bytes of a packet, and its encoding. Without a mark, the first character is `<`."""
_REMEDY = "write the metadata again with the program that made the file"


def properties(packet: bytes) -> dict[str, str]:
    """Return the wanted properties of an XMP packet, by namespace and name.

    Raises UnreadableError if the packet is too large, is no XML, or contains a document type
    declaration.
    """
    if len(packet) > MAX_BYTES:
        raise UnreadableError(f"an XMP packet of {len(packet) >> 20} MB is too large", _REMEDY)
    text, encoding = _as_utf8(packet)
    parser = expat.ParserCreate(encoding, namespace_separator=" ")
    reader = _Reader(parser)
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        # The bytes after the packet are padding. A program may have left other bytes there.
        if error.code != _JUNK_AFTER_END:
            raise UnreadableError(f"its XMP is not valid XML: {error}", _REMEDY) from None
    except (ValueError, LookupError) as error:  # The packet declares an unusual encoding.
        raise UnreadableError(f"its XMP cannot be decoded: {error}", _REMEDY) from None
    return reader.found


_JUNK_AFTER_END = expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]


def ratings(found: dict[str, str]) -> dict[Scale, str]:
    """Return the properties that contain a rating, by their scale."""
    return {_SCALES[name]: value for name, value in found.items() if name in _SCALES}


def _as_utf8(packet: bytes) -> tuple[bytes, str | None]:
    """Return a packet without padding, and its encoding. None means the declared encoding."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if packet.startswith(mark):
            try:
                text = packet.decode(encoding)
            except UnicodeDecodeError as error:
                raise UnreadableError(f"its XMP is not valid {encoding}", _REMEDY) from error
            return text.lstrip("\ufeff").strip("\0 \t\r\n").encode("utf-8", "replace"), "utf-8"
    return packet.strip(b"\0 \t\r\n"), None


class _Reader:
    """The handlers of a parser. `found`: the values of the wanted properties.

    A property of the image is an attribute or a child of rdf:Description in rdf:RDF. Deeper in the
    packet are the properties of other images, for example of an earlier version.
    """

    def __init__(self, parser: expat.XMLParserType) -> None:
        self.found: dict[str, str] = {}
        self._parser = parser
        self._path: list[str] = []
        self._root = 0
        """the number of elements from the document to rdf:RDF; 0 outside of rdf:RDF"""
        self._name = ""
        """the property whose text is read; "" if none is read"""
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._refuse_document_type

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        depth = len(self._path)
        if depth > MAX_DEPTH:
            raise UnreadableError("its XMP is nested too deeply", _REMEDY)
        if name == _RDF and not self._root:
            self._root = depth
        elif self._root and depth == self._root + 1 and name == _ABOUT:
            for key in _WANTED & attributes.keys() - self.found.keys():
                self._add(key, attributes[key])
        elif self._is_property(depth) and name in _WANTED and name not in self.found:
            self._name = name
            self._add(name, attributes.get(_VALUE, ""))
        self._parser.CharacterDataHandler = self._text if self._reads() else None

    def _is_property(self, depth: int) -> bool:
        return bool(self._root) and depth == self._root + 2 and self._path[-2] == _ABOUT

    def _end(self, _: str) -> None:
        depth = len(self._path)
        if depth == self._root:
            self._root = 0
        if depth == self._root + 2:
            self._name = ""
        self._path.pop()
        self._parser.CharacterDataHandler = self._text if self._reads() else None

    def _reads(self) -> bool:
        """Return whether the text of the current element belongs to the value of a property."""
        is_property = len(self._path) == self._root + 2
        return bool(self._name) and (is_property or self._path[-1] == _VALUE)

    def _text(self, text: str) -> None:
        self._add(self._name, text)

    def _add(self, name: str, text: str) -> None:
        self.found[name] = (self.found.get(name, "") + text)[:MAX_VALUE]

    def _refuse_document_type(self, *_: object) -> NoReturn:
        raise UnreadableError(
            "its XMP contains a document type declaration, which XMP may not have", _REMEDY
        )
