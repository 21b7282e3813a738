"""Pipelines: what happens between a connector's pages and a person's answer."""
