"""The access and content report of one system: who can read what and why, out of published tables, each figure with its query."""
