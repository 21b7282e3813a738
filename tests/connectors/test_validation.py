"""What a person who wrote a wrong key reads."""

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.messages import Language, retold
from connectors.soap.config import Config, SourceSpec
from connectors.validation import first_fault


class _Item(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    from_: str = Field(default="", alias="from")


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    kind: str
    items: tuple[_Item, ...] = ()
    groups: dict[str, _Item] = Field(default_factory=dict)
    free: dict[str, object] = Field(default_factory=dict)


def _read(model: type[BaseModel], raw: object, lang: Language = "en") -> tuple[str, str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(raw)
    place, reason = first_fault(caught.value, model)
    return str(retold(place, lang)), str(retold(reason, lang))


def test_an_unknown_key_is_told_with_the_keys_that_may_stand_there() -> None:
    source = {"operation": "GetOrders", "rows": "r", "paging": {"kind": "offset", "request": "offset", "count": "count"}}
    place, reason = _read(SourceSpec, source)
    assert place == "paging.count"
    assert reason == "no such key; here may stand: kind, request, size, page, from, first, more, end, handles, distinct"
    assert "ここに書けるもの: kind, request, size" in _read(SourceSpec, source, "ja")[1]


@pytest.mark.parametrize("raw", [{"items": [{"name": "a", "form": "b"}]}, {"groups": {"one": {"name": "a", "form": "b"}}}])
def test_keys_of_an_item_are_told_as_a_file_spells_them(raw: dict[str, object]) -> None:
    assert _read(_File, {"title": "t", "kind": "k", **raw})[1] == "no such key; here may stand: name, from"


def test_a_mistyped_key_comes_before_the_one_that_is_missing_for_it() -> None:
    assert _read(_File, {"title": "t", "kinds": "k"})[0] == "kinds"


def test_all_keys_that_are_missing_at_one_place_are_named_at_once() -> None:
    assert _read(_File, {}) == ("title, kind", "missing, and needed")
    assert _read(_File, {"title": "t", "kind": "k", "items": [{}]}) == ("items.0.name", "missing, and needed")


def test_a_mapping_where_a_list_belongs_is_told_with_what_an_item_has() -> None:
    raw = {"wsdl": "https://erp.example/?wsdl", "auth": {"headers": {"Login/User": "a"}}}
    assert _read(Config, raw) == ("auth.headers", "a list is wanted (- item); in each item may stand: name, namespace, values")


@pytest.mark.parametrize(
    ("raw", "place", "said"),
    [
        ({"paging": {"kind": "pages"}}, "paging.kind", "it must be one of: bookmark, last_id, offset, page"),
        ({"empty_as_null": "maybe"}, "empty_as_null", "true or false is wanted"),
        ({"max_attachment": "many"}, "max_attachment", "a whole number is wanted"),
        ({"total": 3}, "total", "a text is wanted (digits alone need quotes)"),
        ({"read": ["a"]}, "read", "keys with values are wanted (key: value)"),
        ({"timezone": "Tokyo"}, "timezone", "Tokyo is no IANA time zone name"),
    ],
)
def test_a_wrong_value_is_told_in_words_of_the_file(raw: dict[str, object], place: str, said: str) -> None:
    at, reason = _read(SourceSpec, {"operation": "GetOrders", "rows": "r", **raw})
    assert at == place
    assert reason.startswith(said)
