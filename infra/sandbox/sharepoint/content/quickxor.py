"""quickXorHash, the only content hash SharePoint gives: every byte XORed into 160 bits at a place that moves on by 11 bits."""

from __future__ import annotations

import base64

_BITS, _SHIFT = 160, 11


def quick_xor_hash(data: bytes) -> str:
    """Base64 of the 20 bytes, as in ``file.hashes.quickXorHash`` (algorithm: Microsoft's published reference).

    Bytes 160 places apart fall on the same bits, so they are first XORed together in blocks: fast without native code.
    """
    folded = 0
    for start in range(0, len(data), _BITS):
        folded ^= int.from_bytes(data[start : start + _BITS], "little")
    value = 0
    for place, byte in enumerate(folded.to_bytes(_BITS, "little")):
        offset = place * _SHIFT % _BITS
        value ^= byte << offset
    # What was pushed over the top comes back in at the bottom.
    value = (value & ((1 << _BITS) - 1)) ^ (value >> _BITS)
    digest = bytearray(value.to_bytes(_BITS // 8, "little"))
    for place, byte in enumerate(len(data).to_bytes(8, "little")):
        digest[_BITS // 8 - 8 + place] ^= byte
    return base64.b64encode(digest).decode()
