"""`emollm doctor`: what is missing, and the command that mends it. The checks are in emollm/doctor.py."""

from __future__ import annotations

import typer

EXAMPLES = """Examples:

  emollm doctor
"""


def doctor() -> None:
    """Check the environment, and tell how to mend it.

    Python, packages, torch and GPU, decoders, vLLM, weights, disk, caches, hub. Where even this cannot start: python -m emollm.doctor
    """
    from emollm.doctor import main

    raise typer.Exit(main())
