"""Whether an app's form still stands as it was last read: decided by the time of its settings, which every look-up of the app tells anyway.

``modifiedAt`` of apps.json and app.json is when "Update app" was last pressed (cybozu.dev, "Get App": modifier and modifiedAt). While it
stands, the form that the last published pull read is the form of today, and fields.json need not be asked. That is believed only

- of the very app that was read, by its number;
- for a day at most, by the source's own clock. What another app's new code or number shows in a lookup moves no settings of this one;
- where the settings had stood for an hour when the form was read: putting them in force takes time, and a form read meanwhile may be the
  old one under the new time;
- while nothing that was read since raised a doubt: a reading that broke, a row that did not fit, settings that moved under it.

Where the source tells no time, of itself or of the settings, nothing is believed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.errors import FixConfiguration

BELIEVED = timedelta(days=1)
SETTLED = timedelta(hours=1)


@dataclass(frozen=True)
class Look:
    """One whole look at an app's form. ``at``: the source's time before it; ``modified``: the settings' time, told before it as well.

    ``properties`` are those of fields.json, ``precision`` (digits, decimal places) None where these credentials may not read it.
    """

    app_id: str
    at: datetime
    modified: datetime
    revision: str
    properties: Mapping[str, Any]
    precision: tuple[int, int] | None

    def stored(self) -> dict[str, Any]:
        """JSON values only, for a cursor."""
        return {
            "app_id": self.app_id,
            "at": self.at.isoformat(),
            "modified": self.modified.isoformat(),
            "revision": self.revision,
            "properties": dict(self.properties),
            "precision": list(self.precision) if self.precision else None,
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any] | None) -> Look | None:
        """What ``stored`` gave; None where nothing was remembered."""
        if not stored:
            return None
        precision = stored["precision"]
        return cls(
            app_id=str(stored["app_id"]),
            at=datetime.fromisoformat(stored["at"]),
            modified=datetime.fromisoformat(stored["modified"]),
            revision=str(stored["revision"]),
            properties=stored["properties"],
            precision=(int(precision[0]), int(precision[1])) if precision else None,
        )

    def stands(self, app_id: str, modified: datetime | None, now: datetime | None, doubted: datetime | None) -> bool:
        """Whether it shows the form of ``app_id`` as it is ``now``; ``doubted`` is when something last spoke against it."""
        if app_id != self.app_id or modified != self.modified or now is None:
            return False
        fresh = timedelta(0) <= now - self.at < BELIEVED
        return fresh and self.at - self.modified >= SETTLED and (doubted is None or doubted < self.at)


@dataclass
class Doubts:
    """When a reading by a remembered form last went wrong, by app: in a file for each where a folder is given (processes share it), else
    in memory. Nothing is ever taken back: a look that is younger than the doubt is believed again.
    """

    host: str
    folder: Path | None
    _known: dict[str, datetime] = field(default_factory=dict[str, datetime])

    def raised(self, app_id: str) -> datetime | None:
        """The newest one, aware UTC. A file that can't be read is a doubt for ever: nothing is believed."""
        if self.folder is None:
            return self._known.get(app_id)
        try:
            return datetime.fromisoformat(self._file(self.folder, app_id).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return datetime.max.replace(tzinfo=UTC)

    def add(self, app_id: str, at: datetime) -> None:
        """Raises FixConfiguration when it can't be kept: forgotten, the same form would be believed again."""
        if self.folder is None:
            self._known[app_id] = at
            return
        file = self._file(self.folder, app_id)
        fresh = file.with_suffix(f".{os.getpid()}.tmp")
        try:
            fresh.write_text(at.isoformat(), encoding="utf-8")
            os.replace(fresh, file)
        except OSError as error:
            raise FixConfiguration("kintone.doubt_folder", path=file, reason=error.strerror or "") from error

    def _file(self, folder: Path, app_id: str) -> Path:
        return folder / (re.sub(r"[^\w.-]", "_", f"kintone-{self.host}-{app_id}", flags=re.ASCII) + ".doubt")
