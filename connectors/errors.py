"""The tree of errors, grouped by what the caller should do next. Every connector raises these and nothing else for what it foresees.

FortnightError
├── FixConfiguration      exit 2   a person mends a file, a variable or a flag; trying again changes nothing
│   └── MissingSecret
├── SourceError           exit 3   the source did not give what was asked
│   ├── AccessRefused              credentials or rights: mend them, never retried
│   │   └── FileRefused            this one file only; the credentials are good, and the pull goes on without its bytes
│   ├── AddressUnknown             the app, list, site or operation is not there: look, choose, accept
│   │   └── NoContent              it is there, but is no file (a folder, a notebook): its row has no bytes behind it
│   ├── SourceUnavailable          down, throttled, timed out: retried already, run it again later
│   ├── Closed                     beside one of the first two: nobody may read the whole stream now, so what we hold of it is hidden
│   │   ├── Locked                 is an AccessRefused, too
│   │   └── Withdrawn              is an AddressUnknown, too
│   └── BrokenReply                what came is not what the protocol promises: nothing of it is kept
├── AnswerIsNo            exit 1   it ran, and the answer is no: drift, failed check, closed gate, unbalanced books
│   ├── ContractBroken
│   └── CannotSay                  the source has no way to answer: nothing is wrong, and nothing is proven
└── Interrupted           exit 4   stopped half-way; the same command goes on
"""

from __future__ import annotations

from connectors.messages import Language, sentence
from connectors.redaction import Redactor

#: The last net: whatever a caller put into ``params``, nothing shaped like a credential is ever said.
_masked = Redactor()


class FortnightError(Exception):
    """Base of all foreseen errors.

    ``code`` is stable and stands in the message catalogue with a Japanese and an English sentence; ``params`` fill it. The code
    ``<code>.remedy`` holds what to do next. Params must never hold a secret.
    """

    exit_code = 1

    def __init__(self, code: str, **params: object) -> None:
        self.code = code
        self.params = params
        super().__init__(self.say())

    def say(self, lang: Language = "en") -> str:
        """What, where, and what to do, in one or two sentences."""
        between = "" if lang == "ja" else " "
        said = between.join((sentence(self.code, self.params, lang), sentence(self.code + ".remedy", self.params, lang)))
        # Names come from sources: what a terminal would take for a command is not passed on.
        return _masked("".join(sign if sign.isprintable() else " " for sign in said))


class FixConfiguration(FortnightError):
    exit_code = 2


class MissingSecret(FixConfiguration):
    pass


class SourceError(FortnightError):
    exit_code = 3


class AccessRefused(SourceError):
    pass


class FileRefused(AccessRefused):
    pass


class AddressUnknown(SourceError):
    pass


class NoContent(AddressUnknown):
    pass


class Closed(SourceError):
    pass


class Locked(AccessRefused, Closed):
    pass


class Withdrawn(AddressUnknown, Closed):
    pass


class SourceUnavailable(SourceError):
    """``retry_after`` in seconds where the source named it."""

    def __init__(self, code: str, *, retry_after: float | None = None, **params: object) -> None:
        self.retry_after = retry_after
        super().__init__(code, **params)


class BrokenReply(SourceError):
    pass


class AnswerIsNo(FortnightError):
    exit_code = 1


class ContractBroken(AnswerIsNo):
    pass


class CannotSay(AnswerIsNo):
    pass


class Interrupted(FortnightError):
    exit_code = 4
