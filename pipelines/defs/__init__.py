"""Dagster wiring only: one module per Dagster concept. What is done lives in the rooms below; here it is only hung up."""
