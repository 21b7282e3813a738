"""The project file, read once and strictly: systems, streams, indexes, people, and where everything is stored."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from connectors.errors import FixConfiguration, MissingSecret
from connectors.validation import first_fault
from expectations.contract import Contract
from expectations.durations import duration
from expectations.reading import read_contract
from expectations.yaml_text import read_yaml
from pipelines.clock import Clock
from pipelines.due import Maintenance, Schedule
from pipelines.index_block import FORTNIGHT, IndexSpec
from pipelines.operations import Alerts, Watch
from pipelines.serving_block import Serving

if TYPE_CHECKING:
    from connectors.protocol import Connector

PROJECT_VARIABLE = "FORTNIGHT_PROJECT"
KINDS = ("kintone", "soap", "sharepoint")
#: Those whose sources send webhooks.
HOOKED = ("kintone", "sharepoint")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Storage(_Strict):
    """``root`` is a folder (relative to the project) or an object store URI."""

    root: str = "./data"


class Quarantine(_Strict):
    """Rows that left quarantine stay in its history for ``retention`` (ISO 8601 duration). What is held for longer is overdue, and stays."""

    retention: str = "P90D"

    @field_validator("retention")
    @classmethod
    def _duration(cls, value: str) -> str:
        duration(value)
        return value

    @property
    def remembers(self) -> timedelta:
        return duration(self.retention)


class LedgerKept(_Strict):
    """``gate archive`` moves the details of evidence older than ``keep_details`` (ISO 8601 duration) out of the ledger."""

    keep_details: str = "P400D"

    @field_validator("keep_details")
    @classmethod
    def _duration(cls, value: str) -> str:
        if duration(value) < timedelta(days=60):
            raise ValueError(f"{value} is too short: who asks about a day asks within 60 days (P60D) at least")
        return value

    @property
    def keeps(self) -> timedelta:
        return duration(self.keep_details)


class ProjectFile(_Strict):
    name: str = Field(pattern=r"^[a-z0-9-]+$")
    environment: Literal["production", "staging", "sandbox"]
    timezone: str = "Asia/Tokyo"
    storage: Storage = Storage()
    env_file: str | None = None
    ca_file: Any = None
    calls_per_run: int = Field(default=1_000_000, ge=1)
    start: str = "2026-10-01"
    schedule: Schedule = Schedule()
    maintenance: tuple[Maintenance, ...] = ()
    quarantine: Quarantine = Quarantine()
    alerts: Alerts = Alerts()
    watch: Watch = Watch()
    ledger: LedgerKept = LedgerKept()
    systems: dict[str, dict[str, Any]]
    indexes: dict[str, IndexSpec] = {}
    serving: Serving = Serving()

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value} is no IANA time zone name (Asia/Tokyo is one)") from error
        return value

    @field_validator("start", mode="before")
    @classmethod
    def _first_day(cls, value: object) -> str:
        try:
            return (
                value if isinstance(value, date) else date.fromisoformat(str(value))
            ).isoformat()  # YAML makes a date of an unquoted one
        except ValueError:
            raise ValueError(f"{value} is no date of the form YYYY-MM-DD") from None


@dataclass(frozen=True)
class Project:
    """A project as read. Secrets are still references here; ``connect`` resolves those of one system when it is asked to."""

    folder: Path
    file: ProjectFile
    contracts: dict[str, Contract]
    broken: Mapping[str, FixConfiguration]

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def environment(self) -> str:
        return self.file.environment

    @property
    def root(self) -> str:
        """Storage root: an absolute folder path or a URI."""
        root = self.file.storage.root
        return root if "://" in root else str((self.folder / root).resolve())

    @property
    def home(self) -> Path:
        """Where the project keeps what is its own machine's: Dagster's instance, sandbox state, logs."""
        return self.folder / ".fortnight"

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """The environment, with ``env_file`` beneath it: a real variable wins over the file."""
        found: dict[str, str] = {}
        if self.file.env_file:
            path = self.folder / self.file.env_file
            if path.exists():
                for line in path.read_text(encoding="utf-8").splitlines():
                    name, separator, value = line.partition("=")
                    if separator and not name.lstrip().startswith("#"):
                        found[name.strip()] = value.strip()
        return {**found, **os.environ}

    def contract(self, stream: str) -> Contract:
        """The contract of a stream. Raises FixConfiguration with the nearest names, or with what is wrong in the file."""
        if stream in self.broken:
            raise self.broken[stream]
        if stream not in self.contracts:
            raise FixConfiguration("project.unknown_stream", stream=stream, known=", ".join(sorted(self.contracts)) or "-")
        return self.contracts[stream]

    def renewed(self, contract: Contract) -> None:
        """Go on under a contract that was written anew while the project is open."""
        self.contracts[contract.stream] = contract

    def index(self, name: str) -> IndexSpec:
        if name not in self.file.indexes:
            raise FixConfiguration("project.unknown_index", index=name, known=", ".join(sorted(self.file.indexes)) or "-")
        return self.file.indexes[name]

    def misnamed_streams(self, *indexes: str) -> tuple[FixConfiguration, ...]:
        """One error for each name under ``streams`` of these indexes (none given: of all) that no contract has, with the names that are near.

        A contract that is broken is one, too: what is wrong with it is said elsewhere.
        """
        known = sorted({*self.contracts, *self.broken})
        path = str(self.folder / "project.yaml")
        return tuple(
            FixConfiguration(
                "project.index_stream",
                path=path,
                index=index,
                stream=stream,
                near=", ".join(get_close_matches(stream, known, 3, 0.75)) or "–",
            )
            for index in indexes or self.file.indexes
            for stream in self.index(index).streams
            if stream not in known
        )

    def name_streams_well(self, *indexes: str) -> None:
        """Raise the first of ``misnamed_streams``. Asked before anything is written of an index: its streams are part of the gate's policy, and a
        misspelt one on record would start the count of green days again. It is not asked when the file is read: indexes may be planned before
        contracts are proposed for them, and who stops or serves an index needs no contracts.
        """
        for wrong in self.misnamed_streams(*indexes):
            raise wrong

    def resolve(self, value: Any, where: str) -> Any:
        """``{env: NAME}`` and ``{file: PATH}`` to their values, all the way down. Raises MissingSecret naming what is missing, never a value."""
        if isinstance(value, Mapping):
            mapping = cast("Mapping[str, Any]", value)
            if set(mapping) == {"env"}:
                name = str(mapping["env"])
                if not self.variables.get(name):
                    raise MissingSecret("project.missing_variable", variable=name, where=where)
                return self.variables[name]
            # A certificate is used as a file, and a PFX is no text: there the path is the setting.
            if set(mapping) == {"file"} and not where.endswith(".certificate"):
                given = str(self.resolve(mapping["file"], where))
                path = Path(given) if Path(given).is_absolute() else self.folder / given
                try:
                    return path.read_text(encoding="utf-8").strip()
                except (OSError, UnicodeDecodeError) as error:
                    raise MissingSecret("project.missing_file", path=str(path), where=where) from error
            return {key: self.resolve(item, f"{where}.{key}") for key, item in mapping.items()}
        if isinstance(value, list):
            return [self.resolve(item, f"{where}[{number}]") for number, item in enumerate(cast("list[Any]", value))]
        return value

    def connect(self, system: str, *, hurried: bool = False, run: Clock | None = None) -> Connector:
        """An open connector for a system; ``hurried`` gives up within seconds, for where a person waits. With the clock of a ``run``, the
        streams that are pulled through it share what belongs to the whole system.

        Raises FixConfiguration for an unknown system, a bad setting or a missing secret.
        """
        if system not in self.file.systems:
            raise FixConfiguration("project.unknown_system", system=system, known=", ".join(sorted(self.file.systems)))
        settings = dict(self.resolve(self.file.systems[system], f"systems.{system}"))
        kind = settings.pop("kind", None)
        if kind not in KINDS:
            raise FixConfiguration("project.unknown_kind", system=system, kind=str(kind), known=", ".join(KINDS))
        import importlib

        from connectors.readings import Readings
        from connectors.transport import TransportOptions

        package = importlib.import_module(f"connectors.{kind}")
        config_model = importlib.import_module(f"connectors.{kind}.config").Config
        try:
            config = config_model.model_validate(settings, context={"folder": self.folder})
        except ValidationError as error:
            place, reason = first_fault(error, config_model)
            raise FixConfiguration(
                "project.invalid", path=str(self.folder / "project.yaml"), place=f"systems.{system}.{place}", reason=reason
            ) from None
        if literal := _literal_secret(config, self.file.systems[system]):
            raise FixConfiguration("project.literal_secret", path=str(self.folder / "project.yaml"), place=f"systems.{system}.{literal}")
        ca_file = self.resolve(self.file.ca_file, "ca_file") if self.file.ca_file else None
        options = TransportOptions(
            ca_file=self.folder / str(ca_file) if ca_file else None, budget=self.file.calls_per_run, state=self.home / "calls"
        )
        if run is not None:
            options = replace(options, readings=Readings(run.now))
        if hurried:
            options = replace(options, connect_timeout=3.0, read_timeout=8.0, attempts=2, max_wait=2.0)
        return package.connect(system, config, options)


#: Names under which systems keep what must not be read by who reads the file.
_SECRET = re.compile(r"(password|passphrase|secret|tokens?|private_key)$")
#: And what only sounds like it: where in a login's reply the token stands.
_NO_SECRET = ("login", "token")


def _spoken_secret(value: Any, path: tuple[str, ...]) -> str:
    """Where credentials stand as values, seen before any system is opened: by name, among what a system authenticates with."""
    if isinstance(value, str):
        if path[-2:] == _NO_SECRET:
            return ""
        named = next((name for name in reversed(path) if not name.isdigit()), "")
        return ".".join(path) if _SECRET.search(named) and (len(path) == 3 or {"auth", "certificate"} & set(path)) else ""
    if isinstance(value, Mapping):
        inner = list(cast("Mapping[str, Any]", value).items())
        # A reference is no value.
        return (
            "" if [key for key, _ in inner] in (["env"], ["file"]) else _first(_spoken_secret(one, (*path, str(key))) for key, one in inner)
        )
    if isinstance(value, list):
        return _first(_spoken_secret(one, (*path, str(at))) for at, one in enumerate(cast("list[Any]", value)))
    return ""


def _first(places: Iterable[str]) -> str:
    return next((place for place in places if place), "")


def _literal_secret(value: Any, written: Any) -> str:
    """Where a secret setting was written as a value instead of a reference; empty when nowhere. ``value`` is the setting as read."""
    if isinstance(value, SecretStr):
        return "." if isinstance(written, str) else ""
    if isinstance(value, BaseModel) and isinstance(written, Mapping):
        inner = [(name, getattr(value, name), cast("Mapping[str, Any]", written).get(name)) for name in type(value).model_fields]
    elif isinstance(value, tuple | list) and isinstance(written, list):
        both = zip(cast("tuple[Any, ...]", value), cast("list[Any]", written), strict=True)
        inner = [(str(number), one, given) for number, (one, given) in enumerate(both)]
    elif isinstance(value, Mapping) and isinstance(written, Mapping):
        said = cast("Mapping[str, Any]", written)
        inner = [(name, one, said.get(name)) for name, one in cast("Mapping[str, Any]", value).items()]
    else:
        return ""
    found = ((name, _literal_secret(one, given)) for name, one, given in inner)
    return next((f"{name}.{place}".rstrip(".") for name, place in found if place), "")


def find(given: str | Path | None = None) -> Path:
    """The project folder: as given, else ``FORTNIGHT_PROJECT``, else here. Raises FixConfiguration when there is no project.yaml."""
    folder = Path(given or os.environ.get(PROJECT_VARIABLE) or ".").resolve()
    if not (folder / "project.yaml").exists():
        raise FixConfiguration("project.none", folder=str(folder), variable=PROJECT_VARIABLE)
    return folder


def load(folder: Path) -> Project:
    """Read project.yaml and every contract. A broken contract does not take the others down: it waits in ``broken``."""
    from ruamel.yaml.error import YAMLError

    path = folder / "project.yaml"
    try:
        raw = read_yaml(path.read_text(encoding="utf-8"))
        file = ProjectFile.model_validate(raw)
    except OSError as error:
        raise FixConfiguration("project.none", folder=str(folder), variable=PROJECT_VARIABLE) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise FixConfiguration("project.not_yaml", path=str(path), reason=" ".join(str(error).split())) from error
    except ValidationError as error:
        place, reason = first_fault(error, ProjectFile)
        raise FixConfiguration("project.invalid", path=str(path), place=place, reason=reason) from None
    for name, spec in file.indexes.items():
        if file.environment == "production" and spec.gate.green_days < FORTNIGHT:
            raise FixConfiguration("project.gate_too_short", path=str(path), index=name, days=spec.gate.green_days, least=FORTNIGHT)
    for name, settings in file.systems.items():
        if place := _spoken_secret(settings, ("systems", name)):
            raise FixConfiguration("project.literal_secret", path=str(path), place=place)
    for named in (*file.schedule.streams, *(window.of for window in file.maintenance)):
        if named.split("/")[0] not in file.systems:
            raise FixConfiguration("project.unknown_system", system=named.split("/")[0], known=", ".join(sorted(file.systems)))
    for name in file.watch.hooks:
        if file.systems.get(name, {}).get("kind") not in HOOKED:
            reason = f"no system of this project that sends webhooks ({' and '.join(HOOKED)} do)"
            raise FixConfiguration("project.invalid", path=str(path), place=f"watch.hooks.{name}", reason=reason)
    contracts: dict[str, Contract] = {}
    broken: dict[str, FixConfiguration] = {}
    for contract_path in sorted((folder / "contracts").glob("*/*.yaml")):
        stream = f"{contract_path.parent.name}/{contract_path.stem}"
        try:
            contract = read_contract(contract_path)
            if contract.stream != stream:
                raise FixConfiguration("contract.misplaced", path=str(contract_path), stream=contract.stream)
            if contract.system not in file.systems:
                raise FixConfiguration("project.unknown_system", system=contract.system, known=", ".join(sorted(file.systems)))
        except UnicodeDecodeError as error:
            broken[stream] = FixConfiguration("contract.not_yaml", path=str(contract_path), reason=str(error))
        except FixConfiguration as error:
            broken[stream] = error
        else:
            contracts[stream] = contract
    for stream, contract in list(contracts.items()):
        if not _has_its_parent(contract, contracts, broken):
            assert contract.parent is not None
            path = folder / "contracts" / f"{stream}.yaml"
            broken[stream] = FixConfiguration("contract.parent_unfit", path=str(path), parent=contract.parent.stream)
            del contracts[stream]
    return Project(folder, file, contracts, broken)


def _has_its_parent(contract: Contract, contracts: Mapping[str, Contract], broken: Mapping[str, FixConfiguration]) -> bool:
    """Whether the stream that a contract calls its parent is there, is no part itself, and has a key of as many columns."""
    if contract.parent is None or contract.parent.stream in broken:
        return True
    parent = contracts.get(contract.parent.stream)
    return parent is not None and parent.parent is None and len(parent.key) == len(contract.parent.key)
