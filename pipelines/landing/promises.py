"""What each version of a contract promised when rows were first published under it: put if absent, and never written again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from connectors.errors import AnswerIsNo
from expectations.contract import Contract

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def kept(store: ObjectStore, stream: str) -> Contract | None:
    """The promise with the highest version, or None where nothing was ever published."""
    import obstore

    found = (str(meta["path"]) for chunk in obstore.list(store, prefix=_folder(stream)) for meta in chunk)
    best = max((path for path in found if path.endswith(".json") and path.rsplit("/", 1)[-1][:-5].isdigit()), default="")
    return Contract.model_validate_json(bytes(obstore.get(store, best).bytes())) if best else None


def every(store: ObjectStore, stream: str) -> Iterator[Contract]:
    """Every promise that is kept, newest version first."""
    import obstore

    found = (str(meta["path"]) for chunk in obstore.list(store, prefix=_folder(stream)) for meta in chunk)
    for path in sorted((path for path in found if path.endswith(".json")), reverse=True):
        yield Contract.model_validate_json(bytes(obstore.get(store, path).bytes()))


def keep(store: ObjectStore, contract: Contract) -> None:
    """Keep what this version promises. Raises AnswerIsNo where the version is kept and was another promise."""
    import obstore
    from obstore.exceptions import AlreadyExistsError

    path = f"{_folder(contract.stream)}/{contract.version:08d}.json"
    body: dict[str, Any] = contract.model_dump(mode="json", by_alias=True)
    try:
        obstore.put(store, path, json.dumps(body, ensure_ascii=False).encode(), mode="create")
    except AlreadyExistsError as error:
        then = Contract.model_validate_json(bytes(obstore.get(store, path).bytes()))
        if then.fingerprint() != contract.fingerprint():
            raise AnswerIsNo("contract.version_taken", stream=contract.stream, version=contract.version) from error


def _folder(stream: str) -> str:
    return f"contracts/{stream}"
