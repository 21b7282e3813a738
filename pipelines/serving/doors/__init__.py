"""Where questions come in and answers leave: HTTP, MCP, and what goes over the wire."""
