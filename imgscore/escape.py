"""Text that is safe to show: file names are somebody else's, and terminals obey what is in them."""


def printable(text: str, keep: str = "") -> str:
    """Control characters, lone surrogates and what turns the writing's direction, escaped.

    `keep`: characters that stay as they are, such as "\\n" in a text of several lines.
    """
    return "".join(
        letter
        if letter.isprintable() or letter in keep
        else letter.encode("unicode_escape").decode()
        for letter in text
    )
