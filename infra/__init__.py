"""Everything around the product: the sandbox, the example project, deployment files."""
