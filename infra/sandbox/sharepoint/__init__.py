"""The sandbox's Microsoft 365: an Entra authority, Graph v1.0 and SharePoint REST over two sites with documents and old permissions."""
