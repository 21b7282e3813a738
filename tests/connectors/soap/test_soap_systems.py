"""All samples together: each is linked from the guide, pulled by a test, and fits the contract that its system serves."""

from __future__ import annotations

from pathlib import Path

import pytest
from soap_systems import SAMPLES, Said, running, sample

from expectations.drift import compare
from expectations.reading import read_contract

#: The WSDL of each sample's system, where it is not called as the sample is.
WSDLS = {"dynamics-nav": "nav", "business-central-online": "nav", "sap-bydesign": "bydesign"}
NAMES = sorted(path.stem for path in SAMPLES.glob("*.yaml"))
STREAMS = [
    (name, line.removeprefix("stream:").strip())
    for name in NAMES
    for line in (SAMPLES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    if line.startswith("stream:")
]


def test_every_sample_is_in_the_guide_s_table_and_in_a_test() -> None:
    guide = (SAMPLES.parent / "soap.md").read_text(encoding="utf-8")
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_soap_systems_*.py"))
    assert len(NAMES) == 14 and [name for name in NAMES if f"(soap-systems/{name}.yaml)" not in guide] == []
    assert [name for name, stream in STREAMS if f'"{name}", "{stream}"' not in tests] == []


@pytest.mark.parametrize(("name", "stream"), STREAMS)
def test_nothing_of_a_sample_would_stop_a_pull_as_drift(name: str, stream: str, tmp_path: Path) -> None:
    wsdl = f"{WSDLS.get(name, name)}.wsdl"
    token = Said(b'{"access_token": "token-of-an-hour", "token_type": "Bearer"}', headers={"Content-Type": "application/json"})
    with running(wsdl, lambda _: token) as system, sample(name, stream, system, tmp_path) as read:
        live = read.connector.describe(read.stream)
        contract = read_contract(tmp_path / name / "contracts" / f"{stream}.yaml")
        changes = compare(contract, live).changes
        assert [(one.kind, one.path, one.old, one.new) for one in changes if one.blocks or one.kind == "added"] == []
