"""`python -m emollm` is `emollm`."""

from emollm.cli.main import main

main()
