"""This module escapes text for a terminal, because a file name can contain control sequences."""


def printable(text: str, keep: str = "") -> str:
    """Escape control characters, lone surrogates and characters that change the text direction.

    `keep`: the characters that are not escaped, such as "\\n" in a text of several lines.
    """
    return "".join(
        letter
        if letter.isprintable() or letter in keep
        else letter.encode("unicode_escape").decode()
        for letter in text
    )
