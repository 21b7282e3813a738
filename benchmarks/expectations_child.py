"""What the judging measures run in processes of their own: the rows, our judgement, and Great Expectations on pandas."""

from __future__ import annotations

import json
import resource
import time
from typing import Any

PAGE = 50_000


def rules() -> list[dict[str, Any]]:
    """Forty of the kinds that contracts are full of."""
    found: list[dict[str, Any]] = [{"expect": "expect_column_values_to_not_be_null", "column": name} for name in _NAMES[:9]]
    found += [
        {"expect": "expect_column_values_to_be_between", "column": name, "min_value": low, "max_value": high}
        for name, low, high in [
            ("id", 0, 10**9), ("quantity", 0, 5_000), ("stock", -1_000, 100_000), ("lead_days", 0, 400), ("line_no", 1, 99),
            ("price", 0, 1e7), ("weight", 0, 1e5), ("rate", 0, 1), ("discount", 0, 0.95), ("tax", 0, 0.2),
        ]
    ]  # fmt: skip
    found += [
        {"expect": "expect_column_values_to_be_in_set", "column": name, "value_set": values}
        for name, values in [("state", STATES), ("currency", CURRENCIES), ("plant", PLANTS), ("grade", ["A", "B", "C", "D"])]
    ]
    found += [
        {"expect": "expect_column_values_to_match_regex", "column": "order_no", "regex": "^SO-[0-9]{7}$"},
        {"expect": "expect_column_values_to_match_regex", "column": "mail", "regex": "^[a-z0-9.]+@[a-z.]+$"},
        {"expect": "expect_column_values_to_not_match_regex", "column": "name", "regex": "<[a-z]+>"},
    ]
    found += [
        {"expect": "expect_column_value_lengths_to_be_between", "column": name, "min_value": 1, "max_value": 60}
        for name in ("order_no", "name", "mail")
    ]
    found += [
        {"expect": "expect_column_values_to_be_unique", "column": "id"},
        {"expect": "expect_column_pair_values_a_to_be_greater_than_b", "column_A": "stock", "column_B": "quantity", "mostly": 0.5},
        {"expect": "expect_column_min_to_be_between", "column": "price", "min_value": 0},
        {"expect": "expect_column_max_to_be_between", "column": "price", "max_value": 1e7},
        {"expect": "expect_column_max_to_be_between", "column": "quantity", "max_value": 5_000},
        {"expect": "expect_column_mean_to_be_between", "column": "weight", "min_value": 0, "max_value": 1e5},
        {"expect": "expect_column_sum_to_be_between", "column": "quantity", "min_value": 0},
        {"expect": "expect_column_unique_value_count_to_be_between", "column": "plant", "min_value": 1, "max_value": 20},
        {"expect": "expect_column_proportion_of_non_null_values_to_be_between", "column": "memo", "min_value": 0.1},
        {"expect": "expect_column_distinct_values_to_be_in_set", "column": "grade", "value_set": ["A", "B", "C", "D"]},
        {"expect": "expect_table_row_count_to_be_between", "min_value": 1},
    ]
    return found


STATES = ["受付", "手配中", "出荷済", "完了", "取消"]
CURRENCIES = ["JPY", "USD", "EUR"]
PLANTS = [f"P{n:02d}" for n in range(12)]
_TYPES = {
    "id": "int64", "quantity": "int64", "stock": "int64", "lead_days": "int32", "line_no": "int32",
    "price": "double", "weight": "double", "rate": "double", "discount": "double", "tax": "double",
    "state": "string", "currency": "string", "plant": "string", "grade": "string",
    "order_no": "string", "name": "string", "mail": "string", "memo": "string",
    "ordered_at": "timestamp[us, UTC]", "urgent": "bool",
}  # fmt: skip
_NAMES = list(_TYPES)


def write(path: str, rows: int) -> None:
    """The same rows for both sides, from one seed."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(20261127)
    schema = _contract().arrow_schema().remove_metadata()
    schema = pa.schema([pa.field(field.name, field.type) for field in schema])
    with pa.OSFile(path, "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for start in range(0, rows, PAGE):
            size = min(PAGE, rows - start)
            number = np.arange(start, start + size)

            def some(values: list[str], size: int = size) -> Any:
                return pa.array(values).take(pa.array(random.integers(0, len(values), size)))

            memo = pa.array(random.integers(0, 10**6, size).astype(str), mask=random.random(size) < 0.3)
            columns: dict[str, Any] = {
                "id": number,
                "quantity": random.integers(0, 5_000, size),
                "stock": random.integers(-1_000, 100_000, size),
                "lead_days": random.integers(0, 400, size),
                "line_no": random.integers(1, 99, size),
                "price": random.random(size) * 1e6,
                "weight": random.random(size) * 1e4,
                "rate": random.random(size),
                "discount": random.random(size) * 0.9,
                "tax": random.random(size) * 0.2,
                "state": some(STATES),
                "currency": some(CURRENCIES),
                "plant": some(PLANTS),
                "grade": some(["A", "B", "C", "D"]),
                "order_no": [f"SO-{n:07d}" for n in number],
                "name": [f"部品 {n % 50_000:05d} ステンレス" for n in number],
                "mail": [f"user.{n % 20_000}@sakura.example" for n in number],
                "memo": memo,
                "ordered_at": number * 1_000_000 + 1_700_000_000_000_000,
                "urgent": random.random(size) < 0.1,
            }
            writer.write_batch(pa.record_batch([pa.array(columns[f.name]).cast(f.type) for f in schema], schema=schema))
    print(json.dumps({"value": float(rows), "wall": 0.0, "cpu": 0.0, "peak_mb": 0.0}))


def _contract() -> Any:
    from expectations.contract import Contract

    fields = [{"name": name, "source": name, "type": kind} for name, kind in _TYPES.items()]
    return Contract.model_validate({"stream": "a/b", "version": 1, "source": {}, "key": ["id"], "fields": fields, "expectations": rules()})


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class _Watch:
    """Wall and CPU seconds of what is done between ``go`` and ``stop``, all together."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def go(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        self.wall, self.cpu = self.wall + time.perf_counter() - self._wall, self.cpu + time.process_time() - self._cpu

    def printed(self, rows: int, failed: list[str], base: float) -> None:
        if failed:
            raise RuntimeError(f"rules that should hold do not: {', '.join(failed)}")
        print(json.dumps({"value": rows / self.cpu, "wall": self.wall, "cpu": self.cpu, "peak_mb": _peak() - base}))


def ours(path: str) -> None:
    """Profile and judge the rows as a pull does, page by page. Reading the pages is not timed."""
    import pyarrow as pa

    from expectations.profile import Profile, add
    from expectations.suite import judge_values

    contract = _contract()
    judge_values(contract, Profile(), 0)
    base, watch, profile = _peak(), _Watch(), Profile()
    with pa.OSFile(path, "rb") as source, pa.ipc.open_stream(source) as reader:
        for batch in reader:
            watch.go()
            add(profile, contract, batch)
            watch.stop()
    watch.go()
    verdicts = judge_values(contract, profile, profile.rows)
    watch.stop()
    watch.printed(profile.rows, [verdict.expectation for verdict in verdicts if not verdict.passed], base)


def peer(path: str, form: str) -> None:
    """The same rules in Great Expectations on a pandas frame; making the frame is not timed, holding it counts."""
    import os

    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    import great_expectations.expectations as gxe
    import pyarrow as pa

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("frame").add_batch_definition_whole_dataframe("all")

    def suite() -> Any:
        made = []
        for rule in rules():
            kind = getattr(gxe, "".join(part.title() for part in rule["expect"].split("_")))
            made.append(kind(**{name: value for name, value in rule.items() if name != "expect"}))
        return gx.ExpectationSuite(name="contract", expectations=made)

    def judged(frame: Any) -> Any:
        return asset.get_batch({"dataframe": frame}).validate(suite(), result_format=form)

    with pa.OSFile(path, "rb") as source, pa.ipc.open_stream(source) as reader:
        judged(next(iter(reader)).slice(0, 50).to_pandas())
    base, watch = _peak(), _Watch()
    with pa.OSFile(path, "rb") as source, pa.ipc.open_stream(source) as reader:
        frame = reader.read_pandas()
    watch.go()
    result = judged(frame)
    watch.stop()
    watch.printed(len(frame), [str(one.expectation_config.type) for one in result.results if not one.success], base)
