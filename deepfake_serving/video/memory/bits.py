"""A reader of the bits of a parameter set."""

from __future__ import annotations


class EndOfBits(ValueError):
    """The parameter set ends early, or a number in it is too long."""


class BitReader:
    """Reads bits from the most significant one on (ITU-T H.264, 7.2 and 9.1)."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data), 8 * len(data)

    def bits(self, count: int) -> int:
        """Reads an unsigned number of that many bits, u(n).

        Raises:
            EndOfBits
        """
        if count > self._left:
            raise EndOfBits("the parameter set ends early")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def unsigned(self) -> int:
        """Reads an Exp-Golomb code, ue(v)."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 32:
                raise EndOfBits("a number has more than 32 bits")
        return (1 << zeros) - 1 + self.bits(zeros)

    def signed(self) -> int:
        """Reads a signed Exp-Golomb code, se(v)."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)
