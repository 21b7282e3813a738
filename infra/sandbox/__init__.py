"""The sandbox: local systems that speak the real protocols. Imports nothing of the product, and the product nothing of it but the demo commands."""
