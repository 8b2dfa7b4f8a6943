"""A terminal as far as this is about: what it shows after all that was written to it."""

from __future__ import annotations

import re

_CODE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)", re.S)


class Screen:
    """Lines, as many as it takes.

    Args:
        width: columns; what is longer goes on in the next line.

    Attributes:
        cursor_is_shown: whether it is.
    """

    def __init__(self, width: int) -> None:
        self._width, self._lines, self._row, self._column = width, [""], 0, 0
        self.cursor_is_shown = True

    def write(self, text: str) -> None:
        """Take what a program writes."""
        for private, numbers, code, back, down, plain in _CODE.findall(text):
            if plain:
                for letter in plain:
                    self._put(letter)
            elif back:
                self._column = 0
            elif down:
                self._go_down()
            elif private:
                assert numbers == "25", "only the cursor is hidden"
                self.cursor_is_shown = code == "h"
            elif code == "A":
                self._row -= int(numbers or 1)
                assert self._row >= 0, "nothing above the first line"
            elif code == "K":
                assert numbers == "2"
                self._lines[self._row] = ""
            else:
                assert code == "m", f"an unknown code: {numbers}{code}"

    def _put(self, letter: str) -> None:
        if self._column == self._width:
            self._go_down()
            self._column = 0
        line = self._lines[self._row].ljust(self._column)
        self._lines[self._row] = line[: self._column] + letter + line[self._column + 1 :]
        self._column += 1

    def _go_down(self) -> None:
        self._row += 1
        if self._row == len(self._lines):
            self._lines.append("")

    def shown(self) -> str:
        """All lines, without what is blank at their ends."""
        return "\n".join(line.rstrip() for line in self._lines).rstrip()
