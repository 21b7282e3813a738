"""What a person wrote in a contract as a value, as a value of a column's Arrow type: exact, and refused where it can't be one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def literal(written: Any, kind: pa.DataType) -> Any:
    """``written`` as the Python value that Arrow gives for ``kind``; numbers stay exact, also where they are finer than the type.

    An instant for a column in UTC has to say its zone. Raises ValueError where the text is no value of that kind at all.
    """
    import pyarrow as pa

    if written is None:
        raise ValueError("null")
    if pa.types.is_boolean(kind):
        if not isinstance(written, bool):
            raise ValueError(repr(written))
        return written
    if pa.types.is_string(kind):
        return str(written)
    if isinstance(written, bool):
        raise ValueError(repr(written))
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return _number(written)
    if pa.types.is_floating(kind):
        return float(_number(written))
    if pa.types.is_date(kind):
        if isinstance(written, datetime):
            raise ValueError(repr(str(written)))
        return written if isinstance(written, date) else date.fromisoformat(str(written))
    if pa.types.is_timestamp(kind):
        return _instant(written, aware=kind.tz is not None)
    raise ValueError(repr(written))


def _number(written: Any) -> Decimal:
    try:
        number = Decimal(str(written))
    except InvalidOperation as error:
        raise ValueError(repr(written)) from error
    if not number.is_finite():
        raise ValueError(repr(written))
    return number


def _instant(written: Any, *, aware: bool) -> datetime:
    if isinstance(written, datetime):
        moment = written
    elif isinstance(written, date):
        moment = datetime.combine(written, datetime.min.time())
    else:
        moment = datetime.fromisoformat(str(written))
    if (moment.tzinfo is not None) is not aware:
        raise ValueError(repr(str(written)))
    return moment.astimezone(UTC) if aware else moment


def as_float(value: Any) -> float | None:
    """A value of any ordered type as one number: instants and dates as seconds since 1970 in UTC. None where there is no such number."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        number = float(value)
        return number if number - number == 0 else None
    return None
