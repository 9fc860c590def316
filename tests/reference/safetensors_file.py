"""Writes and reads safetensors files in plain Python: u64 header length, JSON header, data."""

import json
import struct

import numpy

# Larger rank is written first: the order that the safetensors library writes.
DTYPES = {"F32": (1, numpy.dtype("<f4")), "I32": (0, numpy.dtype("<i4"))}


def write(path, tensors):
    """Writes {name: float or int64 torch tensor} as F32 and I32; bytes depend on values alone."""
    entries = []
    for name, tensor in tensors.items():
        dtype = "F32" if tensor.is_floating_point() else "I32"
        array = tensor.detach().numpy().astype(DTYPES[dtype][1])
        entries.append((-DTYPES[dtype][0], name, dtype, array))
    entries.sort(key=lambda entry: entry[:2])

    header, data, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for _, name, dtype, array in entries:
        header[name] = {
            "dtype": dtype,
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        data.append(array.tobytes())
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data))


def read(path):
    """Returns {name: numpy array}. For our own checks: it trusts the file."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__")
    result = {}
    for name, info in header.items():
        begin, end = (8 + length + offset for offset in info["data_offsets"])
        flat = numpy.frombuffer(content[begin:end], DTYPES[info["dtype"]][1])
        result[name] = flat.reshape(info["shape"])
    return result
