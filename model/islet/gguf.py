"""Writes and reads GGUF version 3 (github.com/ggml-org/ggml, docs/gguf.md): one file with metadata and aligned tensors."""

import struct

import numpy as np

MAGIC, VERSION, ALIGNMENT = b"GGUF", 3, 32
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
FORMATS = {UINT32: "I", INT32: "i", FLOAT32: "f", BOOL: "?"}
Q8_0 = np.dtype([("scale", "<f2"), ("numbers", "i1", 32)])  # a block of numbers that lie side by side
TENSOR_TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, Q8_0: 8}


def to_q8_0(array):
    """float32 numbers, rows of a multiple of 32 -> blocks, each with the scale that makes its greatest number 127."""
    blocks = array.reshape(*array.shape[:-1], -1, 32)
    scale = np.abs(blocks).max(-1) / 127
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    packed = np.empty(scale.shape, Q8_0)
    packed["scale"], packed["numbers"] = scale, np.round(blocks * inverse[..., None])
    return packed


def from_q8_0(packed):
    return (packed["scale"].astype(np.float32)[..., None] * packed["numbers"]).reshape(*packed.shape[:-1], -1)


def _extents(array):
    """How many numbers there are along each axis."""
    return (*array.shape[:-1], array.shape[-1] * 32) if array.dtype == Q8_0 else array.shape


def _string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _scalar(kind, value):
    if kind == STRING:
        return _string(value)
    return struct.pack("<" + FORMATS[kind], value)


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
    """metadata: {key: value}; tensors: {name: array of float16, float32 or Q8_0}, written in the order given."""
    header = MAGIC + struct.pack("<IQQ", VERSION, len(tensors), len(metadata))
    header += b"".join(_entry(key, value) for key, value in metadata.items())
    offset = 0
    for name, array in tensors.items():
        header += _string(name) + struct.pack("<I", array.ndim)
        header += b"".join(struct.pack("<Q", extent) for extent in reversed(_extents(array)))
        header += struct.pack("<IQ", TENSOR_TYPES[array.dtype], offset)
        offset += array.nbytes + len(_pad(array.nbytes))
    with open(path, "wb") as file:
        file.write(header + _pad(len(header)))
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).tobytes() + _pad(array.nbytes))


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        value, = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return value

    def string(self):
        length = self.take("Q")
        self.at += length
        return self.data[self.at - length:self.at].decode()

    def value(self, kind):
        if kind == ARRAY:
            kind, count = self.take("I"), self.take("Q")
            return [self.value(kind) for _ in range(count)]
        return self.string() if kind == STRING else self.take(FORMATS[kind])


def read_gguf(path):
    """Metadata and tensors of a file that write_gguf wrote; Q8_0 comes back as float32."""
    with open(path, "rb") as file:
        reader = _Reader(file.read())
    if reader.data[:4] != MAGIC or len(reader.data) < 24:
        raise ValueError(f"{path} is not a GGUF file")
    reader.at = 8
    tensor_count, value_count = reader.take("Q"), reader.take("Q")
    metadata = {reader.string(): reader.value(reader.take("I")) for _ in range(value_count)}
    described = []
    for _ in range(tensor_count):
        name = reader.string()
        shape = [reader.take("Q") for _ in range(reader.take("I"))][::-1]
        described.append((name, shape, reader.take("I"), reader.take("Q")))
    start = reader.at + len(_pad(reader.at))
    kinds = {number: dtype for dtype, number in TENSOR_TYPES.items()}
    tensors = {}
    for name, shape, kind, offset in described:
        numbers = int(np.prod(shape))
        if kinds[kind] == Q8_0:
            tensors[name] = from_q8_0(np.frombuffer(reader.data, Q8_0, numbers // 32, start + offset)).reshape(shape)
        else:
            tensors[name] = np.frombuffer(reader.data, kinds[kind], numbers, start + offset).reshape(shape)
    return metadata, tensors
