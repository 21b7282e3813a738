"""The guide's page of keys against the models that read them: a key that a person may write is explained there, by its name in a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from connectors.soap import auth, config, forms, reading, sources

PAGE = Path(__file__).parents[3] / "docs" / "guides" / "soap-keys.md"
MODELS: tuple[type[BaseModel], ...] = (
    *(config.Config, config.Service, config.Budget, config.SourceSpec, reading.Reading, reading.Inner, forms.Currency),
    *(auth.Auth, auth.Basic, auth.Ntlm, auth.OAuth2, auth.Pfx, auth.UsernameToken, auth.TokenPassport, auth.SoapHeader, auth.Login),
    *(sources.Ok, sources.Faults, sources.Header, sources.More, sources.End, sources.ChangedHandles, sources.Handles, sources.Paging),
    *(sources.Filter, sources.ChangedSince, sources.Chunks, sources.Count, sources.AccessSpec, sources.Files),
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_that_may_be_written_is_on_the_page(model: type[BaseModel]) -> None:
    said = set(re.findall(r"[A-Za-z_0-9]+", " ".join(re.findall(r"`([^`]+)`", PAGE.read_text(encoding="utf-8")))))
    assert {field.alias or name for name, field in model.model_fields.items()} <= said
