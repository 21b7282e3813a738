"""What the sandbox's SharePoint holds: texts, the office files made of them, site pages and list rows. Knows no protocol."""
