"""How a table is written: begun whole, then brought forward by what changed, proved, tagged. Readers know versions, writers only the newest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from connectors.errors import AnswerIsNo
from pipelines.index.store.engine import connect
from pipelines.index.store.filters import quoted

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows a partition of the vector index. Every partition is a graph that is walked: a large one takes longer to make than sixteen small ones and
#: answers in a fraction of their time. Recall is held either way by ``python -m benchmarks index.scale``.
_PARTITION = 200_000
#: Rows outside the indexes are compared one by one. From this share on they are taken in.
_OUTSIDE = 0.05
_FRAGMENTS = 40


class Generation:
    """One LanceDB table. Every version of it that a candidate names carries a tag: what is tagged is never cleaned away."""

    def __init__(self, uri: str, name: str, exact_limit: int) -> None:
        self.uri = uri
        self.name = name
        self._exact_limit = exact_limit

    def begin(self, rows: pa.Table) -> int:
        """Write the table anew with its indexes; returns its version. What a killed build left under that name is gone."""
        database = connect(self.uri)
        database.drop_table(self.name, ignore_missing=True)
        table = database.create_table(self.name, schema=rows.schema)
        if rows.num_rows:
            table.add(rows)
        self._index(table)
        return int(table.version)

    def advance(self, base: int, rows: pa.Table, stale: Iterable[str]) -> int:
        """From version ``base``: put ``rows`` in the place of those with the same id, take the ids ``stale`` away; returns the new version.

        What lies above ``base`` is a killed build's and is put back first. Rows and removals are one commit.
        """
        table = open_at(self.uri, self.name)
        if int(table.version) != base:
            table.checkout(base)
            table.restore()
        gone = ", ".join(quoted(name) for name in sorted(set(stale)))
        if rows.num_rows:
            merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            if gone:
                merge = merge.when_not_matched_by_source_delete(f"id IN ({gone})")
            merge.execute(rows)
        elif gone:
            table.delete(f"id IN ({gone})")
        self._index(table)
        return int(table.version)

    def _index(self, table: Any) -> None:
        from lancedb.index import FTS, BTree, HnswSq, LabelList

        rows = int(table.count_rows())
        if not rows:
            return
        made = {str(index.name) for index in table.list_indices()}
        if "search_text_idx" not in made:
            # The column holds terms already; the engine's own tokenizers, stemming and stop words are for other languages.
            words = FTS(base_tokenizer="whitespace", stem=False, remove_stop_words=False, ascii_folding=False, max_token_length=None)
            table.create_index("search_text", config=words)
            for column, config in (("acl", LabelList()), ("field_acl", LabelList()), ("id", BTree()), ("document", BTree())):
                table.create_index(column, config=config)
        elif self._outside(table) > _OUTSIDE * rows or int(table.stats()["fragment_stats"]["num_fragments"]) > _FRAGMENTS:
            table.optimize()
        if rows > self._exact_limit and "vector_idx" not in made:
            table.create_index("vector", config=HnswSq(distance_type="cosine", num_partitions=max(1, rows // _PARTITION)))

    @staticmethod
    def _outside(table: Any) -> int:
        told = table.index_stats("search_text_idx")
        return int(told.num_unindexed_rows) if told else 0

    def held(self, version: int) -> dict[str, tuple[str, str]]:
        """By chunk id, the row it comes from and its digest, as of a version."""
        table = open_at(self.uri, self.name, version)
        found = table.search().select(["id", "row", "digest"]).limit(max(1, int(table.count_rows()))).to_arrow()
        columns = [found[name].to_pylist() for name in ("id", "row", "digest")]
        return {name: (row, digest) for name, row, digest in zip(*columns, strict=True)}

    def read(self, version: int, rows: Iterable[str], held: Mapping[str, tuple[str, str]]) -> pa.Table:
        """All columns of the chunks that come from these rows, in the order of their documents. ``held`` is what that version holds."""
        wanted = set(rows)
        table = open_at(self.uri, self.name, version)
        names = sorted(name for name, (row, _) in held.items() if row in wanted)
        if not names:
            return table.schema.empty_table()
        listed = ", ".join(quoted(name) for name in names)
        found = table.search().where(f"id IN ({listed})").limit(len(names)).to_arrow().select(table.schema.names)
        return found.sort_by([("document", "ascending"), ("position", "ascending")])

    def prove(self, version: int, wanted: Mapping[str, str]) -> None:
        """Hold a version to the digests it must hold, by chunk id. Raises AnswerIsNo when another build wrote into the table meanwhile."""
        found = {name: digest for name, (_, digest) in self.held(version).items()}
        if found != dict(wanted):
            raise AnswerIsNo("index.table_disturbed", table=self.name, version=version)

    def tag(self, number: int, version: int) -> None:
        """Keep a version for candidate ``number``. Of two builds of one number each has a tag of its own."""
        table = open_at(self.uri, self.name)
        name = tag_of(number, version)
        if name not in table.tags.list():
            table.tags.create(name, version)


def tag_of(number: int, version: int) -> str:
    return f"candidate-{number}-{version}"


def open_at(uri: str, name: str, version: int | None = None) -> Any:
    """The table, to be written (None) or as of a version. Raises AnswerIsNo where table or version is gone."""
    try:
        table = connect(uri).open_table(name)
        if version is not None:
            table.checkout(version)
    except ValueError as error:
        if "not found" not in str(error) and "no longer exists" not in str(error):
            raise
        raise AnswerIsNo("index.version_gone", table=name, version=version or 0) from error
    return table
