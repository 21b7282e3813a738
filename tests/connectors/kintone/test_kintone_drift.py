"""What shifts after an app update: each row of the sheet's table is seen, named, and answered as the table says."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from kintone_world import World, connector, field_of, refused, stream

from connectors.errors import AccessRefused, AddressUnknown
from connectors.messages import catalogue
from connectors.protocol import LiveField, Schema
from expectations.contract import Contract
from expectations.drift import KINDS, Change, Drift, compare, emptied, rights_changed
from expectations.facts import Facts, facts_of
from expectations.types import write_type

Evolve = Callable[[World], None]


def options(*names: str) -> dict[str, dict[str, str]]:
    return {name: {"label": name, "index": str(at)} for at, name in enumerate(names)}


def app() -> World:
    world = World()
    world.fields |= {
        "受注番号": field_of("SINGLE_LINE_TEXT", "受注番号", required=True, unique=True),
        "区分": field_of("DROP_DOWN", "区分", options=options("新規", "継続", "解約")),
        "金額": field_of("NUMBER", "金額", unit="円", maxValue="1000"),
        "税込": field_of("CALC", "税込", expression="金額 * 1.1", format="NUMBER"),
        "顧客": field_of("SINGLE_LINE_TEXT", "顧客", lookup={"relatedApp": {"app": "3", "code": "CUSTOMERS"}, "relatedKeyField": "番号"}),
        "備考": field_of("MULTI_LINE_TEXT", "備考"),
        "明細": field_of("SUBTABLE", "明細", fields={"数量": field_of("NUMBER", "数量"), "品名": field_of("SINGLE_LINE_TEXT", "品名")}),
        "ステータス": field_of("STATUS", "ステータス", enabled=True),
    }
    world.process = process("未着手", "処理中", "完了")
    return world


def process(*names: str) -> dict[str, Any]:
    states = {name: {"name": name, "index": str(at)} for at, name in enumerate(names)}
    actions = [{"name": f"{before}から", "from": before, "to": after} for before, after in pairwise(names)]
    return {"enable": True, "states": states, "actions": actions}


def described(world: World) -> Schema:
    return connector(world).describe(stream())


def spec(field: LiveField) -> dict[str, Any]:
    inner = [spec(child) for child in field.children]
    found: dict[str, Any] = {
        "name": field.source.replace("$", ""),
        "source": field.source,
        "label": field.label,
        "type": write_type(field.type),
    }
    if found["type"] == "list" and not inner:
        inner = [{"name": name, "source": name, "type": "string"} for name in ("code", "name")]
    return found | {"required": field.required, "options": field.facets.get("options", ())} | ({"fields": inner} if inner else {})


def contract_of(schema: Schema) -> Contract:
    fields = [spec(field) for field in schema.fields]
    return Contract.model_validate(
        {"stream": "kintone/orders", "version": 1, "source": {"app_code": "ORDERS"}, "key": ["id"], "fields": fields}
    )


def drift(evolve: Evolve, world: World | None = None) -> Drift:
    """The app is read and promised as it is, then evolves; the facts go through JSON as they do between two pulls."""
    world = world or app()
    before = described(world)
    facts = Facts.read(json.loads(json.dumps(facts_of(before).stored())))
    evolve(world)
    world.revision += 1
    return compare(contract_of(before), described(world), facts)


def only(found: Drift) -> Change:
    assert len(found.changes) == 1, found.changes
    return found.changes[0]


def renamed(world: World, old: str, new: str, **more: Any) -> None:
    world.fields = {
        new if code == old else code: ({**one, "code": new, **more} if code == old else one) for code, one in world.fields.items()
    }


def said(change: Change) -> tuple[str, str, str, str, bool, bool]:
    return change.kind, change.path, change.old, change.new, change.blocks, change.reload


def test_settings_that_moved_without_touching_the_form_are_no_drift() -> None:
    found = drift(lambda world: None)
    assert found.changes == () and not found.reload


def test_a_field_code_renamed_is_found_by_its_label_and_asked_about() -> None:
    found = only(drift(lambda world: renamed(world, "備考", "メモ")))
    assert said(found) == ("renamed", "備考", "備考", "メモ", True, False)


def test_a_field_renamed_in_code_and_label_is_found_by_its_place_in_the_form() -> None:
    found = only(drift(lambda world: renamed(world, "備考", "メモ", label="社内メモ")))
    assert said(found) == ("renamed", "備考", "備考", "メモ", True, False)


def test_an_inner_field_renamed_is_found_too() -> None:
    def evolve(world: World) -> None:
        inner = world.fields["明細"]["fields"]
        inner["品目名"] = {**inner.pop("品名"), "code": "品目名"}

    assert said(only(drift(evolve)))[:4] == ("renamed", "明細.品名", "品名", "品目名")


def test_a_label_alone_stops_nothing() -> None:
    found = only(drift(lambda world: world.fields["備考"].update(label="メモ")))
    assert said(found) == ("label", "備考", "備考", "メモ", False, False)


def test_a_type_replaced_under_the_same_code_is_named_even_where_the_values_would_fit() -> None:
    found = only(drift(lambda world: world.fields.update(備考=field_of("RICH_TEXT", "備考"))))
    assert said(found) == ("replaced", "備考", "MULTI_LINE_TEXT (string)", "RICH_TEXT (string)", True, True)


def test_a_field_deleted_and_made_anew_shows_by_its_values_gone() -> None:
    contract = contract_of(described(app()))
    before = {"備考": 0.2, "金額": 0.6, "区分": 0.0}
    found = emptied(contract, before, {"備考": 1.0, "金額": 1.0, "区分": 0.1})
    assert [(one.kind, one.path, one.old, one.new, one.blocks) for one in found] == [("emptied", "備考", "20%", "100%", True)]


def test_an_option_added_is_reported() -> None:
    found = only(drift(lambda world: world.fields["区分"].update(options=options("新規", "継続", "解約", "休止"))))
    assert said(found) == ("options", "区分", "", "休止", False, False)


def test_an_option_renamed_moved_values_without_moving_a_row_so_everything_is_read_again() -> None:
    found = drift(lambda world: world.fields["区分"].update(options=options("新規", "更新", "解約")))
    assert said(only(found)) == ("option_renamed", "区分", "継続", "更新", False, True)
    assert found.reload


def test_an_option_deleted_keeps_its_old_values_and_is_reported() -> None:
    found = only(drift(lambda world: world.fields["区分"].update(options=options("新規", "継続"))))
    assert said(found) == ("options", "区分", "解約", "", False, False)


@pytest.mark.parametrize(("facet", "value"), [("expression", "金額 * 1.08"), ("format", "NUMBER_DIGIT")])
def test_another_formula_or_format_asks_for_everything_to_be_read_again(facet: str, value: str) -> None:
    found = only(drift(lambda world: world.fields["税込"].update({facet: value})))
    assert (found.kind, found.path, found.new, found.reload) == ("computed", "税込", value, True)


def test_a_format_that_changes_the_type_is_a_change_of_type_too() -> None:
    kinds = [(one.kind, one.blocks, one.reload) for one in drift(lambda world: world.fields["税込"].update(format="DATE")).changes]
    assert kinds == [("retyped", True, True), ("computed", False, True)]


def test_wider_numbers_are_asked_about_and_read_again() -> None:
    found = drift(lambda world: world.precision.update(digits="20", decimalPlaces="6"))
    assert {(one.kind, one.new, one.blocks, one.reload) for one in found.changes} == {("widened", "decimal128(20, 6)", True, True)}
    assert [one.path for one in found.changes] == ["金額", "税込", "明細.数量"]


def test_required_unique_and_limits_are_notes() -> None:
    def evolve(world: World) -> None:
        world.fields["受注番号"].update(required=False, unique=False)
        world.fields["備考"].update(required=True)
        world.fields["金額"].update(maxValue="2000")

    assert [(*said(one)[:4], one.policy, one.reload) for one in drift(evolve).changes] == [
        ("required", "受注番号", "required", "optional", "report", False),
        ("settings", "受注番号", "unique=True", "unique=", "report", False),
        ("settings", "金額", "maxValue=1000", "maxValue=2000", "report", False),
        ("required", "備考", "optional", "required", "report", False),
    ]


def test_another_lookup_target_is_told_with_both_apps() -> None:
    other = {"relatedApp": {"app": "9", "code": "PARTNERS"}, "relatedKeyField": "番号"}
    found = only(drift(lambda world: world.fields["顧客"].update(lookup=other)))
    assert said(found) == ("lookup", "顧客", "CUSTOMERS(3).番号", "PARTNERS(9).番号", False, False)


def test_a_lookup_into_an_app_made_anew_under_the_same_code_is_told_by_its_number() -> None:
    anew = {"relatedApp": {"app": "30", "code": "CUSTOMERS"}, "relatedKeyField": "番号"}
    found = only(drift(lambda world: world.fields["顧客"].update(lookup=anew)))
    assert said(found) == ("lookup", "顧客", "CUSTOMERS(3).番号", "CUSTOMERS(30).番号", False, False)


def test_related_records_have_no_value_and_where_they_look_is_told_all_the_same() -> None:
    def related(app: str) -> dict[str, Any]:
        table = {"relatedApp": {"app": app, "code": ""}, "condition": {"field": "受注番号", "relatedField": "番号"}}
        return field_of("REFERENCE_TABLE", "請求", referenceTable=table)

    world = app()
    world.fields["請求"] = related("21")
    found = only(drift(lambda world: world.fields.update(請求=related("22")), world))
    assert said(found) == ("lookup", "請求", "21.番号", "22.番号", False, False)
    gone = only(drift(lambda world: world.fields.pop("請求"), world))
    assert said(gone) == ("lookup", "請求", "22.番号", "", False, False)
    assert said(only(drift(lambda world: world.fields.update(請求=related("21")))))[:4] == ("lookup", "請求", "", "21.番号")


def test_facts_of_before_related_records_were_told_say_nothing_of_them() -> None:
    world = app()
    schema = described(world)
    stored = json.loads(json.dumps(facts_of(schema).stored()))
    del stored["fields"]["$id"]["facets"]["related"]
    assert compare(contract_of(schema), schema, Facts.read(stored)).changes == ()


def test_a_field_moved_into_a_table_is_named_with_its_new_place_and_stops() -> None:
    def evolve(world: World) -> None:
        world.fields["明細"]["fields"]["備考"] = world.fields.pop("備考")

    kinds = {one.kind: said(one) for one in drift(evolve).changes}
    assert kinds["restructured"] == ("restructured", "備考", "備考", "明細.備考", True, False)
    assert set(kinds) == {"restructured", "added"}


def test_a_field_moved_out_of_its_table_is_named_too() -> None:
    def evolve(world: World) -> None:
        world.fields["品名"] = world.fields["明細"]["fields"].pop("品名")

    assert ("restructured", "明細.品名", "明細.品名", "品名", True, False) in [said(one) for one in drift(evolve).changes]


def test_process_management_switched_off_is_that_and_not_a_deleted_field() -> None:
    def off(world: World) -> None:
        world.fields["ステータス"]["enabled"] = False

    assert said(only(drift(off))) == ("feature", "ステータス", "process", "", True, False)
    world = app()
    off(world)
    on = drift(lambda world: world.fields["ステータス"].update(enabled=True), world)
    assert said(only(on)) == ("feature", "ステータス", "", "process", False, False)


def test_states_renamed_change_every_rows_status_and_added_ones_change_none() -> None:
    def evolve(names: tuple[str, ...]) -> Evolve:
        return lambda world: setattr(world, "process", process(*names))

    kinds = {one.kind: one for one in drift(evolve(("未着手", "対応中", "完了"))).changes}
    assert kinds["states"].reload and kinds["states"].new == "未着手, 対応中, 完了" and not kinds["states"].blocks
    more = {one.kind: one.reload for one in drift(evolve(("未着手", "処理中", "完了", "保留"))).changes}
    assert more == {"states": False, "settings": False}


def test_another_app_code_asks_for_record_numbers_to_be_read_again() -> None:
    world = app()
    before = described(world)
    world.app["code"], world.revision = "JUCHU", 8
    after = connector(world).describe(stream(source={"app_code": "JUCHU"}))
    found = compare(contract_of(before), after, facts_of(before))
    assert said(only(found)) == ("address", "app_code", "ORDERS", "JUCHU", False, True)


def test_an_app_made_anew_under_its_code_is_told_by_number_and_read_whole() -> None:
    found = only(drift(lambda world: world.app.update(appId="77")))
    assert said(found) == ("address", "app_id", "12", "77", True, True)


def test_an_app_made_anew_without_its_code_stops_with_the_candidate_named() -> None:
    world = app()
    world.app.update(appId="77", code="")
    with pytest.raises(AddressUnknown) as stopped:
        connector(world).describe(stream(options={"last_cursor": {"app_id": "12", "name": "受注"}}))
    assert "77" in stopped.value.say() and "受注" in stopped.value.say()


def test_an_app_that_is_gone_is_missing_and_no_mass_delete() -> None:
    world = app()
    world.before = lambda request, _: refused("GAIA_AP01", 404) if request.url.path.endswith("fields.json") else None
    with pytest.raises(AddressUnknown):
        described(world)


def test_an_app_moved_to_another_space_stays_what_it_is() -> None:
    world = app()
    world.app["spaceId"] = "4"
    found = only(drift(lambda world: world.app.update(spaceId="5"), world))
    assert said(found) == ("address", "space_id", "4", "5", False, False)


def test_an_app_code_set_for_the_first_time_changes_every_record_number() -> None:
    world = app()
    world.app["code"] = ""
    before = connector(world).describe(stream(source={"app_id": 12}))
    world.app["code"], world.revision = "ORDERS", 8
    found = compare(contract_of(before), described(world), facts_of(before))
    assert said(only(found)) == ("address", "app_code", "", "ORDERS", False, True)


def test_changed_rights_are_reported_and_nothing_else() -> None:
    world = app()
    before = connector(world).access(stream()).view
    world.app_acl[0] = {**world.app_acl[0], "recordViewable": False}
    now = connector(world).access(stream()).view
    (found,) = rights_changed(before, now)
    assert (found.kind, found.blocks, found.reload) == ("rights", False, False)
    assert rights_changed(now, now) == () and rights_changed("", now) == ()


@pytest.mark.parametrize("code", ["GAIA_IA02", "GAIA_NO01"])
def test_a_token_cut_fails_at_once_and_is_asked_once(code: str) -> None:
    world = app()
    world.before = lambda request, _: refused(code, 400) if request.url.path.endswith("fields.json") else None
    with pytest.raises(AccessRefused):
        described(world)
    assert sum(request.url.path.endswith("fields.json") for request in world.asked) == 1


def test_labels_do_not_follow_the_service_accounts_language() -> None:
    world = app()
    described(world)
    asked = [request.url.params.get("lang") for request in world.asked if request.url.path.endswith(("fields.json", "status.json"))]
    assert asked and set(asked) == {"default"}


def test_a_form_whose_layout_may_not_be_read_is_compared_by_what_is_left() -> None:
    world = app()
    world.before = lambda request, _: refused("CB_NO02", 403) if request.url.path.endswith(("layout.json", "status.json")) else None
    found = drift(lambda world: renamed(world, "備考", "メモ", label="社内メモ"), world)
    assert [one.kind for one in found.changes] == ["removed", "added"]


def test_while_the_revision_stands_nothing_is_asked_twice_and_nothing_is_forgotten() -> None:
    world = app()
    first = described(world)
    facts = facts_of(first)
    cursor = {"revision": "7", "app_id": "12", "precision": [16, 4]}
    world.asked.clear()
    again = connector(world).describe(stream(options={"last_cursor": cursor}))
    assert not [request for request in world.asked if request.url.path.endswith(("layout.json", "status.json"))]
    assert facts_of(again, facts) == facts and compare(contract_of(first), again, facts).changes == ()


def test_every_kind_of_drift_has_words_in_both_languages() -> None:
    for kind in KINDS:
        assert catalogue()[f"drift.kind.{kind}"].keys() >= {"ja", "en"}
