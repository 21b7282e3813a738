"""Expectations: say what is right and judge what came. Know Arrow and contracts; no Delta, no Dagster."""
