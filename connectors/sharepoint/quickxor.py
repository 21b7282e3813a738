"""QuickXorHash, the only content hash SharePoint gives: 160 bits, each byte XORed in 11 bits further than the one before, then the length.

Source: Microsoft's "QuickXorHash Algorithm" page of the OneDrive developer documentation.
"""

from __future__ import annotations

from base64 import b64encode

_WIDTH = 160
_SHIFT = 11
_MASK = (1 << _WIDTH) - 1


class QuickXor:
    """A running hash: ``update`` with bytes in order, then ``digest`` (20 bytes) or ``text`` (base64, as Graph writes it)."""

    def __init__(self) -> None:
        # 11 × 160 is a multiple of 160: every 160th byte lands on the same bit, so whole blocks fold into one another first.
        self._lanes = 0
        self._length = 0
        self._rest = b""

    def update(self, data: bytes) -> None:
        self._length += len(data)
        pending = self._rest + data
        whole = len(pending) - len(pending) % _WIDTH
        lanes = self._lanes
        for start in range(0, whole, _WIDTH):
            lanes ^= int.from_bytes(pending[start : start + _WIDTH], "little")
        self._lanes = lanes
        self._rest = pending[whole:]

    def digest(self) -> bytes:
        folded = (self._lanes ^ int.from_bytes(self._rest, "little")).to_bytes(_WIDTH, "little")
        value = 0
        for index, byte in enumerate(folded):
            turn = index * _SHIFT % _WIDTH
            value ^= (byte << turn | byte >> (_WIDTH - turn)) & _MASK
        return (value ^ self._length << (_WIDTH - 64) & _MASK).to_bytes(_WIDTH // 8, "little")

    def text(self) -> str:
        return b64encode(self.digest()).decode()


def quick_xor(data: bytes) -> str:
    """The base64 QuickXorHash of ``data``."""
    running = QuickXor()
    running.update(data)
    return running.text()
