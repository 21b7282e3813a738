"""The asset graph of a project as text that a reviewer can read line by line."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg


def graph_text(definitions: dg.Definitions) -> str:
    """Assets with deps, groups, kinds, owners, checks and partitions; jobs; schedules with cron and zone; sensors."""
    return "\n".join([*_assets(definitions), "", *_jobs(definitions), "", *_schedules(definitions), "", *_sensors(definitions)]) + "\n"


def _assets(definitions: dg.Definitions) -> Iterator[str]:
    graph = definitions.get_repository_def().asset_graph
    for spec in sorted(definitions.resolve_all_asset_specs(), key=lambda spec: spec.key):
        yield f"asset {spec.key.to_user_string()}"
        yield f"  group {spec.group_name}; kinds {', '.join(sorted(spec.kinds))}; code version {spec.code_version or '-'}"
        yield f"  after {', '.join(sorted(dep.asset_key.to_user_string() for dep in spec.deps)) or 'nothing'}"
        yield f"  owners {', '.join(spec.owners) or '-'}"
        yield f"  partitions {spec.partitions_def or '-'}"
        for key in sorted(graph.asset_check_keys, key=lambda key: key.name):
            if key.asset_key == spec.key:
                check = graph.get_check_spec(key)
                yield f"  check {key.name}{' (blocking)' if check.blocking else ''}{'' if check.partitions_def else ' (not partitioned)'}"


def _jobs(definitions: dg.Definitions) -> Iterator[str]:
    for job in sorted(definitions.get_repository_def().get_all_jobs(), key=lambda job: job.name):
        if not job.name.startswith("__"):
            keys = ", ".join(sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys))
            yield f"job {job.name}: {keys} [{job.executor_def.name}; {', '.join(f'{name} {value}' for name, value in sorted(job.run_tags.items()))}]"


def _schedules(definitions: dg.Definitions) -> Iterator[str]:
    for schedule in sorted(definitions.get_repository_def().schedule_defs, key=lambda schedule: schedule.name):
        yield f"schedule {schedule.name}: '{schedule.cron_schedule}' {schedule.execution_timezone}, {schedule.default_status.value} → {schedule.job_name}"


def _sensors(definitions: dg.Definitions) -> Iterator[str]:
    for sensor in sorted(definitions.get_repository_def().sensor_defs, key=lambda sensor: sensor.name):
        targets = ", ".join(str(target.job_name) for target in sensor.targets)
        yield f"sensor {sensor.name}: every {sensor.minimum_interval_seconds} s, {sensor.default_status.value} → {targets}"
