"""What is measured, against whom, and how to run it: ``python -m benchmarks NAME… [--json]``."""
