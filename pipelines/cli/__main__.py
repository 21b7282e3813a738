"""``python -m pipelines.cli``: the same as the ``fortnight`` command."""

from pipelines.cli.main import main

main()
