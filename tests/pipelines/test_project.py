"""The project file: read strictly, secrets only by reference, and one broken contract takes no other down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from connectors.errors import FixConfiguration, MissingSecret
from pipelines.project import PROJECT_VARIABLE, Project, find, load

SMALL: dict[str, Any] = {
    "name": "books",
    "environment": "staging",
    "systems": {"kintone": {"kind": "kintone", "base_url": "https://example.cybozu.com", "auth": {"api_tokens": [{"env": "BOOKS_TOKEN"}]}}},
}
CONTRACT: dict[str, Any] = {
    "stream": "kintone/parts",
    "version": 1,
    "source": {"app_code": "PARTS"},
    "key": ["id"],
    "fields": [{"name": "id", "source": "$id", "type": "int64"}],
}


def written(folder: Path, *, contracts: dict[str, Any] | None = None, **changes: Any) -> Path:
    """A project folder; ``contracts`` maps ``system/stream`` to a contract or to the file's text."""
    folder.mkdir(exist_ok=True)
    put(folder / "project.yaml", SMALL | changes)
    for name, contract in (contracts or {}).items():
        put(folder / "contracts" / f"{name}.yaml", contract)
    return folder


def put(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with path.open("w", encoding="utf-8") as target:
            YAML(typ="safe").dump(content, target)


def wrong(folder: Path) -> FixConfiguration:
    with pytest.raises(FixConfiguration) as caught:
        load(folder)
    return caught.value


def small(tmp_path: Path, **changes: Any) -> Project:
    return load(written(tmp_path / "project", **changes))


# --- finding and reading --------------------------------------------------------------------------------------------------------


def test_a_project_is_found_as_named_else_by_the_variable_else_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (written(tmp_path / name) for name in ("one", "two", "three"))
    monkeypatch.setenv(PROJECT_VARIABLE, str(two))
    monkeypatch.chdir(three)
    assert find(one) == one and find() == two
    monkeypatch.delenv(PROJECT_VARIABLE)
    assert find() == three
    with pytest.raises(FixConfiguration) as caught:
        find(tmp_path)
    assert caught.value.code == "project.none" and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(("environment", "days"), [("production", 14), ("production", 30), ("staging", 1), ("sandbox", 3)])
def test_a_gate_may_be_short_where_it_is_a_rehearsal(tmp_path: Path, environment: str, days: int) -> None:
    indexes = {"a": {"streams": ["x/y"], "gate": {"green_days": days}}}
    assert small(tmp_path, environment=environment, indexes=indexes).index("a").gate.green_days == days


@pytest.mark.parametrize("days", [1, 13])
def test_a_gate_shorter_than_a_fortnight_is_refused_in_production(tmp_path: Path, days: int) -> None:
    indexes = {"a": {"streams": ["x/y"]}, "b": {"streams": ["x/y"], "gate": {"green_days": days}}}
    error = wrong(written(tmp_path / "project", environment="production", indexes=indexes))
    assert error.code == "project.gate_too_short" and "index b" in error.say() and "14 or more" in error.say()


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"enviroment": "staging"}, "enviroment"),
        ({"environment": "prod"}, "environment"),
        ({"name": "Books!"}, "name"),
        ({"timezone": "Asia/Tokio"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"start": "2026-13-01"}, "start"),
        ({"schedule": {"hour": 24}}, "schedule.hour"),
        ({"storage": {"rot": "x"}}, "storage.rot"),
        ({"indexes": {"a": {"streams": []}}}, "indexes.a.streams"),
        ({"indexes": {"a": {"streams": ["x/y"], "gate": {"green_days": 0}}}}, "indexes.a.gate.green_days"),
        ({"indexes": {"a": {"streams": ["x/y"], "cost": {"line": "x", "monthly_ceiling_jpy": 0}}}}, "indexes.a.cost.monthly_ceiling_jpy"),
        ({"watch": {"hooks": {"erp": {"secret": {"env": "HOOK"}}}}}, "watch.hooks.erp"),
        ({"watch": {"hooks": {"kintone": {"secret": "in the clear, all of it"}}}}, "watch.hooks.kintone.secret"),
        ({"watch": {"hooks": {"kintone": {"secret": {"env": "HOOK"}, "url": "http://x.example"}}}}, "watch.hooks.kintone.url"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_by_its_place(tmp_path: Path, changes: dict[str, Any], place: str) -> None:
    error = wrong(written(tmp_path / "project", **changes))
    assert error.code == "project.invalid" and error.params["place"] == place and "project.yaml" in str(error)


@pytest.mark.parametrize("content", [b"", b"- a\n- b\n", b"just a sentence", b"42"])
def test_a_file_of_another_shape_is_named_as_wrong_and_raises_nothing_else(tmp_path: Path, content: bytes) -> None:
    put(tmp_path / "project.yaml", content)
    assert wrong(tmp_path).code == "project.invalid"


@pytest.mark.parametrize("content", [b"a: [", b"a: 1\na: 2\n", b"a: !!python/object:os.system x", "名前: 桜".encode("cp932"), b"\x00"])
def test_a_file_that_is_no_plain_yaml_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    put(tmp_path / "project.yaml", content)
    assert wrong(tmp_path).code in ("project.not_yaml", "project.invalid")


def test_a_first_day_may_be_written_with_or_without_quotes(tmp_path: Path) -> None:
    put(tmp_path / "project.yaml", b"name: a\nenvironment: staging\nsystems: {}\nstart: 2026-10-01\n")
    assert load(tmp_path).file.start == "2026-10-01"
    put(tmp_path / "project.yaml", b"name: a\nenvironment: staging\nsystems: {}\nstart: '2026-10-01'\n")
    assert load(tmp_path).file.start == "2026-10-01"


def test_storage_is_a_folder_of_the_project_unless_it_is_a_uri(tmp_path: Path) -> None:
    assert small(tmp_path).root == str(tmp_path / "project" / "data")
    assert small(tmp_path, storage={"root": "/var/lib/fortnight"}).root == "/var/lib/fortnight"
    assert small(tmp_path, storage={"root": "s3://bucket/fortnight"}).root == "s3://bucket/fortnight"


# --- contracts ------------------------------------------------------------------------------------------------------------------


def test_a_broken_contract_waits_with_its_reason_and_the_others_are_read(tmp_path: Path) -> None:
    project = small(
        tmp_path,
        contracts={
            "kintone/parts": CONTRACT,
            "kintone/typo": CONTRACT | {"stream": "kintone/typo", "versoin": 1},
            "kintone/elsewhere": CONTRACT,
            "other/parts": CONTRACT | {"stream": "other/parts"},
            "kintone/garbled": "質問: 桜".encode("cp932"),
            "kintone/empty": b"",
            "kintone/keyless": CONTRACT | {"stream": "kintone/keyless", "key": ["nothing"]},
        },
    )
    assert set(project.contracts) == {"kintone/parts"}
    assert {stream: error.code for stream, error in project.broken.items()} == {
        "kintone/typo": "contract.invalid",
        "kintone/elsewhere": "contract.misplaced",
        "other/parts": "project.unknown_system",
        "kintone/garbled": "contract.unreadable",
        "kintone/empty": "contract.invalid",
        "kintone/keyless": "contract.no_such_field",
    }
    assert project.contract("kintone/parts").version == 1
    for stream in project.broken:
        with pytest.raises(FixConfiguration):
            project.contract(stream)


def test_an_unknown_stream_or_index_is_answered_with_those_there_are(tmp_path: Path) -> None:
    project = small(tmp_path, contracts={"kintone/parts": CONTRACT}, indexes={"support": {"streams": ["kintone/parts"]}})
    for ask, known in (
        (lambda: project.contract("kintone/pats"), "kintone/parts"),
        (lambda: project.index("suport"), "support"),
        (lambda: project.connect("kinton"), "kintone"),
    ):
        with pytest.raises(FixConfiguration, match=known):
            ask()


def test_an_index_whose_streams_have_no_contract_is_read_and_each_wrong_name_is_told_when_asked(tmp_path: Path) -> None:
    indexes = {"a": {"streams": ["kintone/parts", "kintone/prats"]}, "b": {"streams": ["erp/items", "kintone/typo"]}}
    broken = CONTRACT | {"stream": "kintone/typo", "keey": []}
    project = small(tmp_path, contracts={"kintone/parts": CONTRACT, "kintone/typo": broken}, indexes=indexes)
    told = [(error.code, error.params["index"], error.params["stream"], error.params["near"]) for error in project.misnamed_streams()]
    code = "project.index_stream"
    assert told == [(code, "a", "kintone/prats", "kintone/parts"), (code, "b", "erp/items", "–")], "a broken contract has its name"
    with pytest.raises(FixConfiguration, match="kintone/prats"):
        project.name_streams_well("a")
    with pytest.raises(FixConfiguration, match="erp/items"):
        project.name_streams_well("b")


# --- references -----------------------------------------------------------------------------------------------------------------


def test_a_real_variable_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = small(tmp_path, env_file=".env")
    (project.folder / ".env").write_text(
        "# a comment = no variable\nBOOKS_TOKEN=from-file\nBOOKS_OTHER = padded = twice \n\nnonsense\n", encoding="utf-8"
    )
    assert project.resolve({"env": "BOOKS_TOKEN"}, "x") == "from-file"
    assert project.resolve({"env": "BOOKS_OTHER"}, "x") == "padded = twice"
    monkeypatch.setenv("BOOKS_TOKEN", "from-environment")
    assert load(project.folder).resolve({"env": "BOOKS_TOKEN"}, "x") == "from-environment"


def test_a_missing_or_empty_variable_is_named_with_the_place_that_refers_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, ""):
        monkeypatch.delenv("BOOKS_TOKEN", raising=False) if value is None else monkeypatch.setenv("BOOKS_TOKEN", value)
        with pytest.raises(MissingSecret) as caught:
            small(tmp_path).connect("kintone")
        assert caught.value.params == {"variable": "BOOKS_TOKEN", "where": "systems.kintone.auth.api_tokens[0]"}
        assert caught.value.exit_code == 2


def test_a_file_reference_is_read_beside_the_project_without_its_last_line_break(tmp_path: Path) -> None:
    project = small(tmp_path)
    (project.folder / "secret").write_text("s3cret\n", encoding="utf-8")
    assert project.resolve({"file": "secret"}, "x") == "s3cret"
    assert project.resolve({"file": str(project.folder / "secret")}, "x") == "s3cret"


@pytest.mark.parametrize("made", ["missing", "folder", "binary"])
def test_a_file_reference_that_cannot_be_read_is_named(tmp_path: Path, made: str) -> None:
    project = small(tmp_path)
    (project.folder / "folder").mkdir()
    (project.folder / "binary").write_bytes(b"\xff\xfe\x00secret")
    with pytest.raises(MissingSecret) as caught:
        project.resolve({"file": made}, "systems.kintone.x")
    assert made in str(caught.value) and "systems.kintone.x" in str(caught.value)


def test_no_secret_stands_in_the_repr_of_a_project_whose_secrets_were_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKS_TOKEN", "Very-Secret-Token")
    project = small(tmp_path)
    connector = project.connect("kintone")
    shown = repr(project) + repr(connector) + repr(vars(connector))
    connector.close()
    assert "Very-Secret-Token" not in shown


def test_a_setting_that_a_connector_does_not_know_is_named_without_its_value(tmp_path: Path) -> None:
    system = SMALL["systems"]["kintone"] | {"auth": {"api_tokens": [], "pasword": "Very-Secret"}}
    project = small(tmp_path, systems={"kintone": system, "odd": {"kind": "fax"}})
    with pytest.raises(FixConfiguration) as caught:
        project.connect("kintone")
    assert caught.value.params["place"] == "systems.kintone.auth.pasword" and "Very-Secret" not in str(caught.value)
    with pytest.raises(FixConfiguration) as caught:
        project.connect("odd")
    assert caught.value.code == "project.unknown_kind" and "sharepoint" in str(caught.value)


def test_a_secret_written_into_the_project_file_is_refused_without_being_shown(tmp_path: Path) -> None:
    system = SMALL["systems"]["kintone"] | {"auth": {"api_tokens": ["Very-Secret-Token"]}}
    with pytest.raises(FixConfiguration) as caught:
        small(tmp_path, systems={"kintone": system})
    assert caught.value.code == "project.literal_secret" and caught.value.params["place"] == "systems.kintone.auth.api_tokens.0"
    assert "Very-Secret" not in str(caught.value) and "env:" in caught.value.say("en")


def test_a_secret_written_into_a_mapping_or_a_further_service_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wsdl = "https://erp.example/ws?wsdl"
    body = {"kind": "soap", "wsdl": wsdl, "auth": {"body": {"authentication/key": "Very-Secret-Key"}}}
    service = {"kind": "soap", "wsdl": wsdl, "services": {"sales": {"wsdl": wsdl, "auth": {"bearer": "Very-Secret-Token"}}}}
    header = {"name": "SOAHeader", "values": {"Key": "Very-Secret-Key", "Org": {"env": "BOOKS_TOKEN"}}}
    headers = {"kind": "soap", "wsdl": wsdl, "auth": {"headers": [{"name": "Plain"}, header]}}
    project = small(tmp_path, systems={"erp": body, "more": service, "ebs": headers})
    monkeypatch.setenv("BOOKS_TOKEN", "x" * 20)
    for system, place in (
        ("erp", "systems.erp.auth.body.authentication/key"),
        ("more", "systems.more.services.sales.auth.bearer"),
        ("ebs", "systems.ebs.auth.headers.1.values.Key"),
    ):
        with pytest.raises(FixConfiguration) as caught:
            project.connect(system)
        assert caught.value.code == "project.literal_secret" and caught.value.params["place"] == place
        assert "Very-Secret" not in str(caught.value)


def test_where_a_login_finds_its_token_is_no_secret_and_what_it_is_given_is_one(tmp_path: Path) -> None:
    login = {"operation": "login", "arguments": {"user": "Very-Secret-User"}, "token": "result/sessionId", "as": "body", "at": "sessionId"}
    project = small(tmp_path, systems={"erp": {"kind": "soap", "wsdl": "https://erp.example/ws?wsdl", "auth": {"login": login}}})
    with pytest.raises(FixConfiguration) as caught:
        project.connect("erp")
    assert caught.value.params["place"] == "systems.erp.auth.login.arguments.user" and "Very-Secret" not in str(caught.value)
    with pytest.raises(FixConfiguration) as caught:
        small(tmp_path, systems={"erp": {"kind": "soap", "auth": {"login": {"arguments": {"password": "Very-Secret"}}}}})
    assert caught.value.params["place"] == "systems.erp.auth.login.arguments.password"


def test_a_relative_ca_file_lies_beside_the_project_wherever_the_command_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import certifi

    monkeypatch.setenv("BOOKS_TOKEN", "x" * 20)
    project = small(tmp_path, ca_file="certificates/ca.pem")
    with pytest.raises(FixConfiguration, match=r"ca\.pem"):
        project.connect("kintone")
    put(project.folder / "certificates" / "ca.pem", Path(certifi.where()).read_bytes())
    monkeypatch.chdir(tmp_path)
    project.connect("kintone").close()
