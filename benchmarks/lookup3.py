"""The checksum that HDF5 has in every header, by which a file stays whole that is edited."""

import struct

ROTATIONS = ((14, "cb"), (11, "ac"), (25, "ba"), (16, "cb"), (4, "ac"), (14, "ba"), (24, "cb"))
"""The last steps: by how many bits what is turned, and what is mixed with it."""


def lookup3(content: bytes) -> int:
    """Bob Jenkins' checksum, which HDF5 has behind every header."""

    def turned(x: int, by: int) -> int:
        return (x << by | x >> 32 - by) & 0xFFFFFFFF

    a = b = c = (0xDEADBEEF + len(content)) & 0xFFFFFFFF
    blocks = max(len(content) - 1, 0) // 12
    numbers = struct.unpack(f"<{3 * blocks + 3}I", content.ljust(12 * blocks + 12, b"\0"))
    for i in range(0, 3 * blocks, 3):
        a, b, c = a + numbers[i], b + numbers[i + 1], c + numbers[i + 2]
        a, c = (a - c ^ turned(c & 0xFFFFFFFF, 4)) & 0xFFFFFFFF, c + b
        b, a = (b - a ^ turned(a, 6)) & 0xFFFFFFFF, a + c
        c, b = (c - b ^ turned(b, 8)) & 0xFFFFFFFF, b + a
        a, c = (a - c ^ turned(c, 16)) & 0xFFFFFFFF, c + b
        b, a = (b - a ^ turned(a, 19)) & 0xFFFFFFFF, a + c
        c, b = (c - b ^ turned(b, 4)) & 0xFFFFFFFF, b + a
    a, b, c = (x + y & 0xFFFFFFFF for x, y in zip((a, b, c), numbers[-3:], strict=True))
    for by, (x, y) in ROTATIONS:
        values = {"a": a, "b": b, "c": c}
        values[x] = ((values[x] ^ values[y]) - turned(values[y], by)) & 0xFFFFFFFF
        a, b, c = values.values()
    return c
