"""Prints a TensorBoard event file as JSON, an event a line; exits with 1 at a record that is not whole.

Nothing but Python's standard library: a second reading of the format, for tests and for machines without TensorBoard.
Usage: python3 read_events.py EVENT_FILE
"""

import json
import struct
import sys


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def records(data):
    """The bytes of every record, once both of its checksums have been found right."""
    at = 0
    while at < len(data):
        if len(data) < at + 12:
            sys.exit(f"record at byte {at}: cut off")
        length, crc = struct.unpack_from("<QI", data, at)
        if masked(data[at : at + 8]) != crc:
            sys.exit(f"record at byte {at}: wrong checksum of its length")
        record = data[at + 12 : at + 12 + length]
        if len(data) < at + 16 + length:
            sys.exit(f"record at byte {at}: cut off")
        if masked(record) != struct.unpack_from("<I", data, at + 12 + length)[0]:
            sys.exit(f"record at byte {at}: wrong checksum of its data")
        yield record
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    """{number: [values]} of a message: integers, floats or bytes, as the wire says."""
    found, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 1:
            (value,), at = struct.unpack_from("<d", data, at), at + 8
        elif wire == 5:
            (value,), at = struct.unpack_from("<f", data, at), at + 4
        elif wire == 2:
            length, at = varint(data, at)
            if at + length > len(data):
                sys.exit(f"field {number}: longer than its message")
            value, at = data[at : at + length], at + length
        else:
            sys.exit(f"field {number}: wire type {wire}")
        found.setdefault(number, []).append(value)
    return found


def doubles(data):
    return list(struct.unpack(f"<{len(data) // 8}d", data))


def value_of(data):
    """One Summary.Value."""
    value = fields(data)
    result = {"tag": value[1][0].decode()}
    if 2 in value:
        result["scalar"] = value[2][0]
    if 5 in value:
        names = ("min", "max", "num", "sum", "sum_squares")
        histogram = fields(value[5][0])
        result["histogram"] = {name: histogram[i + 1][0] for i, name in enumerate(names)}
        result["histogram"]["limits"] = doubles(histogram[6][0])
        result["histogram"]["counts"] = doubles(histogram[7][0])
    if 8 in value:
        tensor = fields(value[8][0])
        dims = [fields(dim)[1][0] for dim in fields(tensor[2][0]).get(2, [])]
        plugin = fields(fields(value[9][0])[1][0])
        result["plugin"] = plugin[1][0].decode()
        result["tensor"] = {"dtype": tensor[1][0], "shape": dims, "strings": [s.decode() for s in tensor[8]]}
    return result


def event_of(data):
    event = fields(data)
    result = {"wall_time": event[1][0], "step": event.get(2, [0])[0]}
    if 3 in event:
        result["file_version"] = event[3][0].decode()
    if 5 in event:
        result["values"] = [value_of(value) for value in fields(event[5][0]).get(1, [])]
    if 7 in event:
        result["session_status"] = fields(event[7][0])[1][0]
    return result


def main():
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    for record in records(data):
        print(json.dumps(event_of(record)))


if __name__ == "__main__":
    main()
