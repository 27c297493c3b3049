"""The files that a power cut could leave, made from the journal that record_writes.c kept.

The power goes out at some entry. What was written before the last barrier is there, and so are writes through descriptors that wait for the
disk, but for one that was under way. Of the others any may be missing, in part or wholly: disks write sectors of 512 bytes, in any
order."""

import struct

ENTRY = struct.Struct("<IIQQ")
WRITE, SYNCED_WRITE, BARRIER = 1, 2, 3
SECTOR = 512


def read_journal(path):
    """Entries as (kind, offset, bytes, end of the entry in the journal)."""
    data, entries, at = path.read_bytes(), [], 0
    while at + ENTRY.size <= len(data):
        kind, _, offset, length = ENTRY.unpack_from(data, at)
        at += ENTRY.size
        size = length if kind != BARRIER else 0
        if at + size > len(data):
            break
        entries.append((kind, offset, data[at:at + size], at + size))
        at += size
    return entries


def put(image, offset, data):
    if len(image) < offset + len(data):
        image.extend(bytes(offset + len(data) - len(image)))
    image[offset:offset + len(data)] = data


def tear(image, offset, data, generator):
    """Writes some of the sectors, or all, or none."""
    fate = generator.randrange(3)
    if fate == 0:
        return
    for begin in range(0, len(data), SECTOR):
        if fate == 1 or generator.random() < 0.5:
            put(image, offset + begin, data[begin:begin + SECTOR])


class Images:
    """Images of one journal, from the earliest power cut to the latest; what is there for good is built up once."""

    def __init__(self, entries):
        self.entries, self.lasting, self.done, self.unsynced = entries, bytearray(), 0, []

    def at(self, cut, generator):
        """As if the power went out during entry number `cut - 1`."""
        for kind, offset, data, _ in self.entries[self.done:cut - 1]:
            if kind == BARRIER:
                for place, written in self.unsynced:
                    put(self.lasting, place, written)
                self.unsynced = []
            elif kind == SYNCED_WRITE:
                put(self.lasting, offset, data)
            else:
                self.unsynced.append((offset, data))
        self.done = max(self.done, cut - 1)
        kind, offset, data, _ = self.entries[cut - 1]
        image = bytearray(self.lasting)
        for place, written in self.unsynced + ([(offset, data)] if kind != BARRIER else []):
            tear(image, place, written, generator)
        return image

    def is_being_made(self, cut):
        """Whether nothing was ever synced: then there may be half a file, which holds nothing yet."""
        return all(kind != BARRIER for kind, *_ in self.entries[:cut - 1])
