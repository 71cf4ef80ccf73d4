"""Messages between a process, its template of decoders, and their workers: numbers, bytes and pixels only.

A hostile photo may have taken over a worker, so nothing that it sends is unpickled or trusted to be short.
"""

import socket
import struct

# To the template: fork a worker with these limits and the enclosed socket; report the exit status of a worker.
FORK, REAP = b"F", b"R"
LIMITS = struct.Struct("<qqqdq")
NUMBER = struct.Struct("<q")

# To a worker: decode this file, or this content; decode the pixels now.
FILE, CONTENT, GO = b"f", b"c", b"g"
LENGTH = struct.Struct("<cq")

# From a worker: a kind and two numbers.
SIZE, PIXELS, ROWS, REFUSED, NO_MEMORY = b"s", b"p", b"r", b"x", b"m"
REPLY = struct.Struct("<cqq")

NO_MEMORY_CODE = 3
"""Exit code of a worker that lacks the memory even to report that."""
STILL_THERE = -(2**31)
"""In place of an exit status: the worker does not end, because it waits for a file that the system cannot read."""


def receive(connection: socket.socket, count: int) -> bytes:
    """Receive `count` bytes. Raises ConnectionError if the other end closes first."""
    data = connection.recv(count, socket.MSG_WAITALL) if count else b""
    while len(data) < count:
        more = connection.recv(count - len(data), socket.MSG_WAITALL)
        if not more:
            raise ConnectionError("closed")
        data += more
    return data


def receive_into(connection: socket.socket, view: memoryview) -> None:
    """Fill a buffer. Raises ConnectionError if the other end closes first."""
    at = 0
    while at < len(view):
        received = connection.recv_into(view[at:])
        if not received:
            raise ConnectionError("closed")
        at += received
