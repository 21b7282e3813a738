"""The bytes of one file: asked for by the operation that the contract declares, put aside as they come, given out piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.errors import AddressUnknown, BrokenReply, ContractBroken, FixConfiguration
from connectors.protocol import Blob, Stream
from connectors.soap.aside import MEGABYTE, Aside, Form
from connectors.soap.client import SoapClient
from connectors.soap.components import Contract, Operation, UnknownPath
from connectors.soap.config import SourceSpec
from connectors.soap.decode import Sink
from connectors.soap.paging import number
from connectors.soap.plan import compile_plan, form_of
from connectors.soap.request import merged
from connectors.soap.schema import operation
from connectors.soap.sources import Files
from connectors.soap.steps import Plan


def content(client: SoapClient, stream: Stream, spec: SourceSpec, blob: Blob) -> Iterator[bytes]:
    """The file that ``blob.ref`` names. Nothing of it is given before its reply is whole and judged.

    Raises FixConfiguration where the contract declares no files, AddressUnknown for a file that is not there, BrokenReply for one that is
    too large, not of its encoding, or not of the size that the reply says, and whatever ``SoapClient.call`` raises.
    """
    if spec.files is None:
        raise FixConfiguration("soap.no_files", stream=stream.id, name=blob.name)
    return _content(client, stream, spec, spec.files, blob)


def _content(client: SoapClient, stream: Stream, spec: SourceSpec, files: Files, blob: Blob) -> Iterator[bytes]:
    called, plan = plan_of(client.contract(), stream, files, client.config.wsdl)
    arguments: dict[str, Any] = {**files.arguments, "ref": blob.ref} if files.body else merged(files.arguments, {files.argument: blob.ref})
    with Aside(spec.max_attachment * MEGABYTE) as aside:
        reply = client.call(called, arguments, plan, _nothing, ok=files.ok, message=files.message, body=files.body, aside=aside)
        found = reply.content
        if found is None:
            raise AddressUnknown("soap.file_gone", operation=called.name, stream=stream.id, name=blob.name or blob.ref)
        said = number(reply.scalars.get(files.size)) if files.size else found.size
        if found.unfit or said != found.size:
            why = "-" if said is None else said
            code = "soap.file_unreadable" if found.unfit else "soap.file_size_differs"
            raise BrokenReply(code, operation=called.name, name=blob.name or blob.ref, said=why, came=found.size)
        yield from found.pieces()


def _nothing() -> Sink:
    return lambda _: None


def plan_of(contract: Contract, stream: Stream, files: Files, wsdl: str) -> tuple[Operation, Plan]:
    """The operation of a stream's files and how its reply is read. Raises what a request would come to grief over."""
    called = operation(contract, files.operation, wsdl)
    scalars = [path for path in (*(files.ok.paths if files.ok else ()), files.message, files.size) if path]
    return called, compile_plan(
        contract, called, rows=None, scalars=dict.fromkeys(scalars), content=(files.content, _form(contract, called, stream, files))
    )


def _form(contract: Contract, called: Operation, stream: Stream, files: Files) -> Form:
    try:
        simple = contract.simple(contract.walk(called.output, files.content)[-1].type)
    except UnknownPath as error:
        raise ContractBroken(
            "soap.column_gone", operation=called.name, column="files.content", source=files.content, candidates=", ".join(error.have) or "-"
        ) from error
    form: Form | None = files.encoding or form_of(simple)
    if form is None:
        why = f"{files.content} is xsd:{simple.builtin}, not base64Binary; if it holds base64 all the same, say `encoding: base64`"
        raise FixConfiguration("soap.source_invalid", stream=stream.id, where="files.content", why=why)
    return form
