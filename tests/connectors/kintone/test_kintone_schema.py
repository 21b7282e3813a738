"""The live schema: types from the app's own settings, a fingerprint that follows what readers depend on and nothing else."""

from __future__ import annotations

from typing import Any

import httpx
import pyarrow as pa
import pytest
from kintone_world import World, connector, field_of, refused, stream

from connectors.errors import BrokenReply


def world_with(**fields: dict[str, Any]) -> World:
    world = World()
    world.fields |= fields
    return world


def fingerprint(world: World) -> str:
    return connector(world).describe(stream()).fingerprint


def test_the_schema_names_the_address_and_every_field_that_has_a_value() -> None:
    world = world_with(
        見出し=field_of("LABEL", "見出し"),
        関連=field_of("REFERENCE_TABLE", "関連"),
        金額=field_of("NUMBER", "金額", required=True, unit="円"),
        区分=field_of("DROP_DOWN", "区分", options={"乙": {"label": "乙", "index": "1"}, "甲": {"label": "甲", "index": "0"}}),
        明細=field_of("SUBTABLE", "明細", fields={"数量": field_of("NUMBER", "数量")}),
    )
    schema = connector(world).describe(stream())
    assert schema.identity == {"app_id": "12", "app_code": "ORDERS", "space_id": "", "name": "受注"}
    assert schema.revision == "7"
    found = {field.source: field for field in schema.fields}
    assert set(found) == {"$id", "$revision", "更新日時", "件名", "金額", "区分", "明細"}
    assert found["金額"].type == pa.decimal128(16, 4)
    assert found["金額"].required and found["金額"].facets["unit"] == "円"
    assert found["区分"].facets["options"] == ("甲", "乙")
    assert found["明細"].type == pa.list_(pa.struct([("id", pa.int64()), ("数量", pa.decimal128(16, 4))]))
    assert [child.source for child in found["明細"].children] == ["id", "数量"]


def test_process_management_that_is_off_gives_no_status_field() -> None:
    world = world_with(
        ステータス=field_of("STATUS", "ステータス", enabled=False), 作業者=field_of("STATUS_ASSIGNEE", "作業者", enabled=False)
    )
    assert {field.source for field in connector(world).describe(stream()).fields} == {"$id", "$revision", "更新日時", "件名"}


@pytest.mark.parametrize(
    "change",
    [
        lambda world: world.fields.update(新規=field_of("DATE", "新規")),
        lambda world: world.fields.pop("金額"),
        lambda world: world.fields.update(金額=field_of("SINGLE_LINE_TEXT", "金額")),
        lambda world: world.fields["計算"].update(format="HOUR_MINUTE"),
        lambda world: world.fields["区分"].update(options={"甲": {"label": "甲", "index": "0"}}),
        lambda world: world.fields["明細"]["fields"].update(単価=field_of("NUMBER", "単価")),
        lambda world: world.precision.update(decimalPlaces="2"),
    ],
    ids=["added", "removed", "retyped", "format", "option", "inner field", "precision"],
)
def test_the_fingerprint_moves_with_what_readers_depend_on(change: Any) -> None:
    world = rich_world()
    before = fingerprint(world)
    change(world)
    assert fingerprint(world) != before


def test_the_fingerprint_stays_with_number_revision_labels_and_order() -> None:
    world = rich_world()
    before = fingerprint(world)
    world.revision = 99
    world.app |= {"appId": "4711", "name": "受注（新）"}
    world.fields["金額"]["label"] = "合計金額"
    world.fields = dict(reversed(world.fields.items()))
    assert fingerprint(world) == before
    assert before.startswith("sha256:")


def rich_world() -> World:
    return world_with(
        金額=field_of("NUMBER", "金額"),
        計算=field_of("CALC", "計算", format="NUMBER"),
        区分=field_of("DROP_DOWN", "区分", options={"甲": {"label": "甲", "index": "0"}, "乙": {"label": "乙", "index": "1"}}),
        明細=field_of("SUBTABLE", "明細", fields={"数量": field_of("NUMBER", "数量")}),
    )


def test_an_unknown_field_type_is_refused_and_not_guessed() -> None:
    with pytest.raises(BrokenReply) as caught:
        connector(world_with(謎=field_of("HOLOGRAM", "謎"))).describe(stream())
    assert caught.value.code == "kintone.field_type_unknown"


def test_settings_that_may_not_be_read_give_the_widest_decimal_and_say_so() -> None:
    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        return refused("CB_NO02", 403) if request.url.path.endswith("settings.json") else None

    world = world_with(金額=field_of("NUMBER", "金額"))
    world.before = before
    found = {field.source: field for field in connector(world).describe(stream()).fields}
    assert found["金額"].type == pa.decimal128(38, 10)
    assert found["金額"].facets["precision_known"] is False


def test_labels_are_asked_for_in_a_fixed_language() -> None:
    world = World()
    connector(world).describe(stream())
    asked = next(request for request in world.asked if request.url.path.endswith("fields.json"))
    assert asked.url.params["lang"] == "default"


def test_an_app_is_offered_with_its_cost_and_a_name_from_its_code() -> None:
    world = rich_world()
    world.app["code"] = "QualityIncident"
    (offer,) = connector(world).discover()
    assert (offer.name, offer.title, offer.key, offer.cursor, offer.rows) == ("quality-incident", "受注", ("$id",), "更新日時", 0)
    assert offer.source == {"app_code": "QualityIncident", "app_id": 12}
    assert "API calls" in offer.notes[0]


def test_an_app_without_a_code_is_offered_by_its_id_with_a_request_to_set_one() -> None:
    world = World()
    world.app["code"] = ""
    (offer,) = connector(world).discover()
    assert offer.name == "app-12"
    assert offer.source == {"app_id": 12}
    assert any("app code" in note for note in offer.notes)


def test_with_tokens_alone_only_the_configured_apps_are_offered() -> None:
    assert list(connector(World(), login=False).discover()) == []
    assert [offer.name for offer in connector(World(), login=False, apps=[12]).discover()] == ["orders"]
