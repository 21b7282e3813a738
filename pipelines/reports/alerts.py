"""What an alert says: what happened, what it means, what to do, in both languages, with the ledger's head as an anchor outside of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.messages import Language, Said, joined, sentence, told
from pipelines.evidence.chain import Head
from pipelines.operations import AlertKind
from pipelines.reports.readable import readable

#: More are counted, not listed: a message must fit on a telephone, and Teams takes 28 KB.
LISTED = 8


@dataclass(frozen=True)
class Event:
    """One thing to be told once. ``key`` is stable: the same thing found again has the same key, and nobody is told twice.

    ``params`` fill the sentences of ``alert.<kind>``; ``page`` is the path of Dagster's page about it.
    """

    kind: AlertKind
    key: str
    params: Mapping[str, str | int]
    page: str = "/"
    #: Where an index went: its meaning depends on it.
    state: str = ""
    #: Codes with their parameters, said in either language when the message is.
    details: tuple[tuple[str, str, Mapping[str, object]], ...] = ()


@dataclass(frozen=True)
class Message:
    """An event in one language. ``link`` is empty where the project names no address of its Dagster pages."""

    lang: Language
    title: str
    what: str
    means: str
    do: str
    anchor: str
    link: str = ""

    def labelled(self) -> tuple[tuple[str, str], ...]:
        """The three parts, each with its heading."""
        labels = ("alert.label.what", "alert.label.means", "alert.label.do")
        return tuple((sentence(label, lang=self.lang), text) for label, text in zip(labels, (self.what, self.means, self.do), strict=True))

    def text(self) -> str:
        """As plain text, for mail."""
        parts = [self.title, "", *(f"{label}\n{text}\n" for label, text in self.labelled())]
        return "\n".join([*parts, *([self.link] if self.link else []), self.anchor])


def write(event: Event, anchor: Head, lang: Language, ui: str = "", zone: str = "UTC") -> Message:
    """The event's message, with times in the time zone ``zone``. Text that came from sources is shown as it is; each channel escapes it by its own rules."""
    base = f"alert.{event.kind}"
    params: dict[str, object] = {**event.params, "details": _details(event, zone)}
    if event.kind == "gate_changed":
        params |= {name: told(f"gate.eligibility.{event.params[name]}") for name in ("before", "after")}
    means = f"{base}.means.{event.state}" if event.state else f"{base}.means"
    return Message(
        lang,
        *(sentence(code, params, lang).strip() for code in (f"{base}.title", f"{base}.what", means, f"{base}.do")),
        anchor=sentence("alert.label.anchor", {"seq": anchor.seq, "hash": anchor.hash}, lang),
        link=f"{ui.rstrip('/')}{event.page}" if ui else "",
    )


def _details(event: Event, zone: str) -> Said | str:
    if not event.details:
        return ""
    shown: Sequence[Said] = [
        told("alert.details.stream", stream=stream, why=told(code, **{name: readable(value, zone) for name, value in params.items()}))
        for stream, code, params in event.details[:LISTED]
    ]
    more = len(event.details) - len(shown)
    return joined([*shown, *([told("alert.details.more", count=more)] if more else [])], " ")
