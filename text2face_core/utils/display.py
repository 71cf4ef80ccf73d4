"""Safe text for terminals and logs: untrusted text, such as names of files, cannot colour or forge lines."""

from __future__ import annotations


def quoted(name: object) -> str:
    r"""Put a name in double quotes, on a single line, with unprintable characters escaped.

    >>> quoted("ann.jpg"), quoted("a\nt2f: done\x1b[2J")
    ('"ann.jpg"', '"a\\nt2f: done\\x1b[2J"')
    """
    return f'"{on_one_line(str(name))}"'


def on_one_line(text: str) -> str:
    r"""Escape unprintable characters, line ends included.

    >>> on_one_line("café\r\n\u202e")
    'café\\r\\n\\u202e'
    """
    return text if text.isprintable() else "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)


def printable(text: str) -> str:
    r"""Escape a message of several lines like `on_one_line`, but keep line ends, and indent all lines after the first.

    >>> printable("two things:\nt2f: \x1b[31m")
    'two things:\n  t2f: \\x1b[31m'
    """
    return text if text.isprintable() else "\n  ".join(on_one_line(line) for line in text.split("\n"))


def _escaped(sign: str) -> str:
    return ascii(sign)[1:-1]
