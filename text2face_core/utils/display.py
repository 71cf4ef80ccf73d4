"""Text for terminals and logs: nothing that others wrote, such as names of files, can colour or forge lines."""

from __future__ import annotations


def quoted(name: object) -> str:
    r"""A name in double quotes on one line, with everything that is not printable as an escape.

    >>> quoted("ann.jpg"), quoted("a\nt2f: done\x1b[2J")
    ('"ann.jpg"', '"a\\nt2f: done\\x1b[2J"')
    """
    return f'"{on_one_line(str(name))}"'


def on_one_line(text: str) -> str:
    r"""The text with everything that is not printable as an escape; line ends too.

    >>> on_one_line("café\r\n\u202e")
    'café\\r\\n\\u202e'
    """
    return text if text.isprintable() else "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)


def printable(text: str) -> str:
    r"""A message of several lines: line ends stay, further lines are indented, other signs as in `on_one_line`.

    >>> printable("two things:\nt2f: \x1b[31m")
    'two things:\n  t2f: \\x1b[31m'
    """
    return text if text.isprintable() else "\n  ".join(on_one_line(line) for line in text.split("\n"))


def _escaped(sign: str) -> str:
    return ascii(sign)[1:-1]
