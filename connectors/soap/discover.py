"""What a contract could give: each operation with its shape, and an offer for those that list rows.

An offer is guessed (see ``guess``), for a person to review: every guess that could be wrong is said in its notes.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.capabilities import OperationShape
from connectors.errors import FixConfiguration, SourceError
from connectors.protocol import Offer, Stream
from connectors.soap.client import SoapClient
from connectors.soap.components import Contract, Element
from connectors.soap.config import SourceSpec
from connectors.soap.guess import entity_of, guess_key, guess_source, looks_like, rows_path
from connectors.soap.omissions import chosen, left_out, undigited
from connectors.soap.presets import sunset_at
from connectors.soap.schema import describe, fields, row_element
from connectors.soap.unasked import headers_asked, unasked
from connectors.soap.wsdl import in_words
from connectors.soap.xmltree import local, space


def shapes(contract: Contract, service: str = "") -> tuple[OperationShape, ...]:
    """Every operation by name, readable or not, and those that the reading of the contract had to drop, with the reason."""
    found = [OperationShape(name, "", "", (), (), dropped=in_words(why), service=service) for name, why in contract.broken.items()]
    for name in sorted(contract.operations):
        operation = contract.operations[name]
        rows = rows_path(contract, operation) or ""
        inputs, outputs = (tuple(local(one.name) for one in contract.children(side)) for side in (operation.input, operation.output))
        form = f"{operation.version} {operation.style}/{operation.use}"
        looks = looks_like(contract, operation, rows) if rows else ""
        found.append(OperationShape(name, rows, looks, inputs, outputs, form, service=service))
    return tuple(sorted(found, key=lambda shape: shape.operation))


def offers(client: SoapClient, system: str, service: str = "") -> Iterator[Offer]:
    """One offer per operation of this service that lists rows. Streams of a further service carry its name before their own."""
    from connectors.soap.pull import count

    contract = client.contract(refresh=True)
    for name in sorted(contract.operations):
        operation = contract.operations[name]
        guessed = guess_source(contract, operation)
        if guessed is None:
            continue
        source = {**({"service": service} if service else {}), **guessed}
        spec = SourceSpec.model_validate(source)
        row = row_element(contract, operation, spec.rows)
        live = fields(contract, row)
        slug = "-".join(filter(None, (service, entity_of(name).replace("_", "-"))))
        schema = describe(
            contract, Stream(system, slug, source, (), ()), spec, client.config.wsdl, client.config.endpoint or operation.endpoint
        )
        key, notes = guess_key(live, spec)
        rows: int | None = None
        if spec.count:
            try:
                rows = count(client, spec)
            except (SourceError, FixConfiguration) as error:
                notes.append(f"{spec.count.operation} did not answer: {error.say('en')}")
        else:
            notes.append("no count operation: rows are counted by reading their keys")
        if not spec.paging.request:
            notes.append("no paging found: one reply must hold all rows")
        if asked := unasked(contract, operation, spec, client.config.auth):
            notes.append(f"nothing gives these elements of the request: {asked}. Constants stand in source.arguments")
        if headers := headers_asked(operation, client.config.auth):
            notes.append(f"the WSDL has headers for it: {headers}. Credentials in them stand in auth.headers, all else in source.headers")
        if spec.changed_since is None:
            notes.append("no update time to filter by: every pull reads everything")
        if spec.access is None:
            notes.append("no operation tells who may read: nobody will, until `access` is declared")
        if named := undigited(live):
            notes.append(
                f"no digits are stated for {', '.join(named)}: the proposed decimal is a guess; declare what the data needs, and under source.read `from: decimal`"
            )
            notes += _sampled(client, Stream(system, slug, source, (), ()), spec, named)
        if silent := left_out(contract, row):
            notes.append(f"not among the columns: {'; '.join(silent)}")
        notes += chosen(contract, row)
        if subtypes := contract.derived(row.type):
            notes.append(
                f"rows may be of {len(subtypes)} further types: @xsi:type as a column says which, and their elements can be columns"
            )
        notes += _probed(client, Stream(system, slug, source, (), ()), spec)
        if (sunset := sunset_at(space(operation.input.name))) is not None:
            notes.append(f"SOAP goes with {sunset.release}, on {sunset.date} at the earliest; preset {sunset.preset} is for such systems")
        looks = looks_like(contract, operation, spec.rows)
        if not spec.paging.request and looks != "none":
            notes.append(f"it looks like {looks} paging, which needs your hand: declare source.paging")
        if not spec.ok:
            notes.append("no result code found: an error inside a reply that HTTP calls good can't be told from an empty list")
        if not spec.row_count:
            notes.append("the reply states no row count: a reply that leaves rows out can't be told from a whole one")
        yield Offer(
            slug,
            row_title(row),
            {**source, "fingerprint": schema.fingerprint, "revision": schema.revision},
            schema,
            key,
            spec.changed_since.field if spec.changed_since else None,
            rows,
            tuple(notes),
        )


def _probed(client: SoapClient, stream: Stream, spec: SourceSpec) -> list[str]:
    """What is wrong with the filter by update time, as the server itself shows it; nothing where it is obeyed."""
    from connectors.soap.probe import probe_filter

    if spec.changed_since is None:
        return []
    try:
        found = probe_filter(client, stream, spec)
    except (SourceError, FixConfiguration) as error:
        return [f"the filter by {spec.changed_since.field} could not be tried: {error.say('en')}"]
    if found.verdict == "ignored":
        return [f"the server ignores the filter by {spec.changed_since.field}: it gave {found.future} rows changed after the year 2100"]
    if found.verdict == "matches_nothing":
        return [f"the filter by {spec.changed_since.field} matches nothing, though there are rows: the server may read another name"]
    return []


def _sampled(client: SoapClient, stream: Stream, spec: SourceSpec, named: tuple[str, ...]) -> list[str]:
    """The digits that the fields have in one small page, with head-room; nothing where a page can't be kept small."""
    from connectors.soap.sample import digits_of

    # What lies in a part of the row needs a column of its own first.
    plain = [one for one in named if "/" not in one and "@" not in one]
    if not plain or not spec.paging.size:
        return []
    try:
        found = digits_of(client, stream, spec, plain)
    except (SourceError, FixConfiguration) as error:
        return [f"no rows could be read to see how many digits they have: {error.say('en')}"]
    told = "; ".join(f"{source}: {most.whole} before and {most.fraction} after the point, {most.roomy}" for source, most in found.items())
    return [f"digits in the first rows, and a type with room for more: {told}"] if told else []


def row_title(row: Element) -> str:
    """What a row is called; an item of an encoded array has no name of its own, but its type has."""
    return row.label or local(row.name if local(row.name) != "*" else row.type)
