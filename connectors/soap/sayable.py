"""What can stand in an envelope at all: names of elements, and texts of characters that XML has. Held when a file is read, not when one is sent."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

#: XML 1.0 (fifth edition) §2.3: what a name may begin with. ``NAME`` is one without a prefix.
_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff"
    "\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
NAME = re.compile(rf"[{_START}][{_START}0-9.\-\u00b7\u0300-\u036f\u203f\u2040]*")
#: XML 1.0 (fifth edition) §2.2, turned round.
_NOT_A_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAMESPACE = re.compile(r"[^\s{}<>\"]*")


def is_text(text: str) -> bool:
    """Whether XML can carry every character of a text, escaped or not."""
    return _NOT_A_CHARACTER.search(text) is None


def element_name(name: str) -> str:
    """A local name, or ``{namespace}local`` where the namespace is another one than around it; ``{}local`` for none."""
    space, _, local = name.rpartition("}")
    if not NAME.fullmatch(local) or (space and not _NAMESPACE.fullmatch(space.removeprefix("{"))) or (space and not name.startswith("{")):
        raise ValueError(f"{name!r} is no name of an element")
    return name


def _namespace(uri: str) -> str:
    if not _NAMESPACE.fullmatch(uri):
        raise ValueError(f"{uri!r} is no namespace")
    return uri


ElementName = Annotated[str, AfterValidator(element_name)]
Namespace = Annotated[str, AfterValidator(_namespace)]
