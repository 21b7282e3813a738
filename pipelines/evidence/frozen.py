"""calendar.yaml: the project's own table of days without business, written once for each year and never changed by a newer holidays package."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.errors import FixConfiguration
from connectors.validation import first_fault
from pipelines.evidence.calendar import ClosedDays
from pipelines.evidence.reasons import Reason, reason

FILE = "calendar.yaml"
#: Days before its end at which the table is to be made longer.
AHEAD = timedelta(days=365)


class Frozen(BaseModel):
    """Public holidays by date and name, the company's own days, the years both are complete for, and what each year was made with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    years: dict[int, str] = {}
    holidays: dict[date, str] = {}
    company: tuple[date, ...] = ()

    @property
    def closed(self) -> ClosedDays:
        return ClosedDays(tuple(sorted(self.years)), frozenset(self.holidays) | frozenset(self.company))


def read_frozen(folder: Path) -> Frozen | None:
    """The project's table; None where it has none. Raises FixConfiguration for one that cannot be read."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = folder / FILE
    if not path.exists():
        return None
    try:
        return Frozen.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        place, why = first_fault(error, Frozen)
        raise FixConfiguration("calendar.invalid", path=str(path), place=place, reason=why) from None
    except (OSError, ValueError, YAMLError) as error:  # a ValueError is also a date that is none
        raise FixConfiguration("calendar.unreadable", path=str(path), reason=" ".join(str(error).split())) from error


def freeze(known: Frozen | None, years: Iterable[int], company: Iterable[date] = ()) -> Frozen:
    """``known`` with the years it lacks. A year that is there stays as it is, whatever today's package says of it."""
    from holidays import country_holidays  # a large package that no code location needs at load

    before = known or Frozen()
    new = sorted(set(years) - set(before.years))
    found = {day: str(name) for day, name in country_holidays("JP", years=new).items()} if new else {}
    return Frozen(
        years={**before.years, **dict.fromkeys(new, f"holidays {version('holidays')}")},
        holidays=dict(sorted({**before.holidays, **found}.items())),
        company=tuple(sorted({*before.company, *company})),
    )


def write_frozen(folder: Path, table: Frozen) -> Path:
    """Write the table as calendar.yaml and return where."""
    from ruamel.yaml import YAML

    path = folder / FILE
    with path.open("w", encoding="utf-8") as target:
        target.write(
            "# Days without business, frozen by `fortnight gate calendar freeze`. Public holidays are of the years named; company days are yours.\n"
        )
        YAML().dump({"years": dict(table.years), "holidays": dict(table.holidays), "company": list(table.company)}, target)
    return path


def ending(closed: ClosedDays | None, today: date) -> Reason | None:
    """What to say when the table of closed days ends within a year of ``today``; None while it does not."""
    years = set(closed.years) if closed else set[int]()
    lacking = sorted({today.year, (today + AHEAD).year} - years)
    if not lacking:
        return None
    return reason("calendar.ends", year=lacking[0] - 1, next=lacking[0])
