"""Writes GGUF version 3 (github.com/ggml-org/ggml, docs/gguf.md): one file with metadata and aligned tensors."""

import struct

import numpy as np

MAGIC, VERSION, ALIGNMENT = b"GGUF", 3, 32
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
TENSOR_TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1}


def _string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _scalar(kind, value):
    if kind == STRING:
        return _string(value)
    return struct.pack({UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}[kind], value)


def _kind(value):
    """Python's int means u32, float f32; arrays say their kind themselves as (kind, list)."""
    for kind, type_ in ((BOOL, bool), (UINT32, int), (FLOAT32, float), (STRING, str)):
        if isinstance(value, type_):
            return kind
    raise TypeError(f"no GGUF type for {value!r}")


def _entry(key, value):
    if isinstance(value, tuple):
        kind, items = value
        body = struct.pack("<IIQ", ARRAY, kind, len(items)) + b"".join(_scalar(kind, item) for item in items)
    else:
        body = struct.pack("<I", _kind(value)) + _scalar(_kind(value), value)
    return _string(key) + body


def _pad(size):
    return b"\0" * (-size % ALIGNMENT)


def write_gguf(path, metadata, tensors):
    """metadata: {key: value}; tensors: {name: float16 or float32 array}, written in the order given."""
    header = MAGIC + struct.pack("<IQQ", VERSION, len(tensors), len(metadata))
    header += b"".join(_entry(key, value) for key, value in metadata.items())
    offset = 0
    for name, array in tensors.items():
        header += _string(name) + struct.pack("<I", array.ndim)
        header += b"".join(struct.pack("<Q", extent) for extent in reversed(array.shape))
        header += struct.pack("<IQ", TENSOR_TYPES[array.dtype], offset)
        offset += array.nbytes + len(_pad(array.nbytes))
    with open(path, "wb") as file:
        file.write(header + _pad(len(header)))
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).tobytes() + _pad(array.nbytes))
