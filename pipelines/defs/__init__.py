"""Dagster wiring only: one module per Dagster concept. What is done lives in the rooms below; here it is only hung up."""

import warnings

import dagster as dg

# Partitioned checks and single-run backfills are what make a day's evidence readable; we know that their names may still move.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)
