"""Connectors: talk to source systems and yield typed Arrow. They know nothing of Delta, Great Expectations or Dagster."""
