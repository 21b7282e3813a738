"""The one value of a parse that is not held as text: long text on its way aside, or the part that an Include named."""

from __future__ import annotations

from connectors.soap.aside import Aside, Attachment, BrokenAttachment, MisplacedAttachment, Parts, Writer
from connectors.soap.steps import Step


class LargeValue:
    """``held`` is None while the value under way is a text. Without ``aside`` and ``parts`` it stays so, or is refused."""

    def __init__(self, aside: Aside | None, parts: Parts | None) -> None:
        self.held: Writer | Attachment | None = None
        self._aside = aside
        self._parts = parts

    def takes(self, step: Step) -> bool:
        """Whether long text of this step's elements may go aside."""
        return step.form is not None and self._aside is not None

    def include(self, step: Step, attributes: dict[str, str]) -> None:
        """The part that an Include inside of the step's element names. Raises BrokenAttachment, MisplacedAttachment."""
        if step.form is None:
            raise MisplacedAttachment(step.name)
        if self._parts is None or self._aside is None:
            raise BrokenAttachment("an Include stands in a reply without parts")
        if self.held is not None:
            raise BrokenAttachment(f"<{step.name}> holds more than one Include")
        self.held = self._aside.give(self._parts(attributes.get("href", "")), step.name)

    def move(self, step: Step, text: list[str]) -> int:
        """Let the text so far go to the disk; how many bytes that were."""
        assert step.form is not None and self._aside is not None
        if isinstance(self.held, Attachment):
            raise BrokenAttachment(f"<{step.name}> holds text beside its Include")
        data = "".join(text).encode()
        text.clear()
        self.held = self.held or Writer(self._aside, step.form, step.name)
        self.held.write(data)
        return len(data)

    def whole(self, step: Step, text: list[str]) -> tuple[Attachment, int]:
        """The value when it has come to its end, and how many bytes of it went to the disk just now."""
        moved = self.move(step, text) if self.held is None or any(piece.strip(" \t\r\n") for piece in text) else 0
        text.clear()
        found, self.held = self.held, None
        assert found is not None and self._aside is not None
        return (found if isinstance(found, Attachment) else self._aside.give(found.done(), step.name)), moved
