"""Mutated files of text2face: each is read, or refused by an error for the user. See `nox -s fuzz`."""

import os
import random
import time
from itertools import count

import pytest
from support.hostile import OwnFiles, mutate

from text2face_core.errors import Text2FaceError

SECONDS = float(os.environ.get("T2F_FUZZ_SECONDS", "3"))
SEED = int(os.environ.get("T2F_FUZZ_SEED", "0"))
SLOWEST = 30.0


def refuses(read) -> bool:
    """Whether it refuses the file. Anything but an error for the user fails the test."""
    try:
        read()
    except Text2FaceError:
        return True
    return False


def test_mutated_files_are_read_or_refused(tmp_path):
    files, refused = OwnFiles(tmp_path), 0
    others, until = [*files.whole.values()], time.monotonic() + SECONDS
    for number in count(SEED * 10_000_000):
        if time.monotonic() > until:
            break
        path = [*files.whole][number % len(files.whole)]
        path.write_bytes(mutate(files.whole[path], others, random.Random(number)))
        began = time.monotonic()
        try:
            refused += refuses(files.readers[path])
        except Exception as error:
            raise AssertionError(f"mutation {number} of {path.name}: {type(error).__name__}: {error}") from error
        assert time.monotonic() - began < SLOWEST, (number, path.name)
        path.write_bytes(files.whole[path])
    assert refused


DEEP = {
    "lists": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "text": b'{"file_name": "0.png", "text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "number": b'{"file_name": "0.png", "text": ' + b"9" * 100_000 + b"}",
    "TOML": b"a = " + b"[" * 100_000 + b"]" * 100_000,
    "TOML number": b"seed = " + b"9" * 100_000,
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_files_are_read_or_refused(tmp_path, name):
    files = OwnFiles(tmp_path)
    for path, read in files.readers.items():
        if path in files.whole:
            path.write_bytes(DEEP[name])
            refuses(read)
            path.write_bytes(files.whole[path])
