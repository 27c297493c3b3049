"""Finds where a MessagePack object ends, without building it.

msgpack reserves memory for whatever an array's header announces, so a few bytes of a broken or hostile peer could make it
reserve gigabytes. This scanner looks first: at sizes, at counts and at depth, and refuses what is announced, before it has come.
Incremental: bytes may come one at a time, and none is looked at twice. The daemon does the same with requests
(proto/scanner.c)."""

from __future__ import annotations

from .errors import MalformedError, TooLargeError

_NEVER_USED = 0xc1

# Of each type byte: bytes of the length field behind it; payload bytes, besides that length; objects inside; and of a container how
# many objects one of its count stands for, else 0.
_Header = tuple[int, int, int, int]


def _header_of(kind: int) -> _Header:
    if kind < 0x80 or kind >= 0xe0:  # small integers
        return 0, 0, 0, 0
    if kind < 0x90:
        return 0, 0, 2 * (kind & 0x0f), 2
    if kind < 0xa0:
        return 0, 0, kind & 0x0f, 1
    if kind < 0xc0:
        return 0, kind & 0x1f, 0, 0
    return {
        0xc4: (1, 0, 0, 0), 0xc5: (2, 0, 0, 0), 0xc6: (4, 0, 0, 0),                                         # bin
        0xc7: (1, 1, 0, 0), 0xc8: (2, 1, 0, 0), 0xc9: (4, 1, 0, 0),                                         # ext: a type byte more
        0xca: (0, 4, 0, 0), 0xcb: (0, 8, 0, 0),                                                             # float
        0xcc: (0, 1, 0, 0), 0xcd: (0, 2, 0, 0), 0xce: (0, 4, 0, 0), 0xcf: (0, 8, 0, 0),                     # uint
        0xd0: (0, 1, 0, 0), 0xd1: (0, 2, 0, 0), 0xd2: (0, 4, 0, 0), 0xd3: (0, 8, 0, 0),                     # int
        0xd4: (0, 2, 0, 0), 0xd5: (0, 3, 0, 0), 0xd6: (0, 5, 0, 0), 0xd7: (0, 9, 0, 0), 0xd8: (0, 17, 0, 0),  # fixext
        0xd9: (1, 0, 0, 0), 0xda: (2, 0, 0, 0), 0xdb: (4, 0, 0, 0),                                         # str
        0xdc: (2, 0, 0, 1), 0xdd: (4, 0, 0, 1), 0xde: (2, 0, 0, 2), 0xdf: (4, 0, 0, 2),                     # array, map
    }.get(kind, (0, 0, 0, 0))                                                                               # nil, false, true


_HEADERS = [_header_of(kind) for kind in range(256)]


class Scanner:
    """Scans one object after another; each may have `bytes_max` bytes, `objects_max` objects (containers included), and
    containers `depth_max` deep."""

    def __init__(self, bytes_max: int, objects_max: int, depth_max: int) -> None:
        self._bytes_max, self._objects_max, self._depth_max = bytes_max, objects_max, depth_max
        self._begin()

    def _begin(self) -> None:
        self._position = 0              # of the next header; may lie beyond what has come
        self._objects = 1               # begun, or announced by a container that is open
        self._missing: list[int] = [1]  # objects that each open container still lacks; the outermost holds the object itself

    def scan(self, data: bytearray) -> int | None:
        """`data` is everything received of the object so far. Returns its length as soon as it is complete (the next one begins
        there), None while bytes are missing. TooLargeError, MalformedError: the stream cannot be followed any more."""
        position, missing, size = self._position, self._missing, len(data)
        while missing and position < size:
            length_bytes, payload, inside, each = _HEADERS[data[position]]
            if length_bytes:
                if position + 1 + length_bytes > size:
                    break
                length = int.from_bytes(data[position + 1:position + 1 + length_bytes], "big")
                if each:
                    inside = length * each
                else:
                    payload += length
            elif data[position] == _NEVER_USED:
                raise MalformedError("the byte c1, which MessagePack never uses")
            position += 1 + length_bytes + payload
            # Every object has at least one byte, so a count is also a number of bytes to come.
            if position + inside > self._bytes_max:
                raise TooLargeError(f"more than {self._bytes_max} bytes")
            missing[-1] -= 1
            if each:
                self._open(inside)
            while missing and not missing[-1]:
                missing.pop()
        self._position = position
        if missing or position > size:
            return None
        self._begin()
        return position

    def _open(self, inside: int) -> None:
        """A container begins."""
        self._objects += inside
        if self._objects > self._objects_max:
            raise TooLargeError(f"more than {self._objects_max} objects")
        if len(self._missing) > self._depth_max:
            raise TooLargeError(f"deeper than {self._depth_max} levels")
        self._missing.append(inside)
