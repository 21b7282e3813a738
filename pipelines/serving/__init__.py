"""Answers for a person, never for a service: identity, retrieval, audit. Transport (MCP, HTTP) stands on top of these."""
