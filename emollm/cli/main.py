"""`emollm`: the command line. One file a command; what a command needs is imported when it runs, so that help is instant.

Exit codes: 0 all right, 1 some items failed (they are listed), 2 the call or the configuration is wrong, 130 interrupted.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from emollm import __version__
from emollm.cli import (
    chat,
    data,
    demo,
    doctor,
    dpo,
    eval_run,
    explain,
    grpo,
    label,
    label_after,
    merge,
    models,
    recipes,
    report,
    score,
    serve,
    sft,
    validate,
    wheels,
)
from emollm.errors import EmoError, MediaError

EPILOG = """Examples:

  emollm demo -o demo

  emollm label clip.mp4

  emollm explain clip.mp4 -q "Why does she hesitate?"

  emollm recipes ls

  emollm --version
"""


class _Commands(TyperGroup):
    """The commands; what emollm refuses is a message on stderr and an exit code, never a traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Answer `--help` and `--version` here: as options of the root they load pydantic (typer's) before every help text."""
        if args[:1] == ["--version"]:
            typer.echo(f"emollm {__version__}")
            ctx.exit()
        if args[:1] == ["--help"]:
            typer.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Take two words as one command where there is one of that name: `label audit` beside `label CLIP`."""
        name = " ".join(args[:2])
        if name in self.commands and len(args) > 1:
            return name, self.commands[name], args[2:]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EmoError as error:
            typer.echo(f"emollm: {error}", err=True)
            raise typer.Exit(1 if isinstance(error, MediaError) else 2) from None


app = typer.Typer(
    name="emollm",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 110},
    epilog=EPILOG,
)


@app.callback(add_help_option=False)
def root() -> None:
    """From a clip to open-vocabulary emotion labels and an explanation that names its cues.

    More about a command: emollm COMMAND --help.
    """


app.command("label", epilog=label.EXAMPLES)(label.label)
app.command("label audit", epilog=label_after.AUDIT_EXAMPLES)(label_after.audit)
app.command("label relabel", epilog=label_after.RELABEL_EXAMPLES)(label_after.relabel)
app.command("label diff", epilog=label_after.DIFF_EXAMPLES)(label_after.diff)
app.command("explain", epilog=explain.EXAMPLES)(explain.explain)
app.command("chat", epilog=chat.EXAMPLES)(chat.chat)
app.command("sft", epilog=sft.EXAMPLES)(sft.sft)
app.command("grpo", epilog=grpo.EXAMPLES)(grpo.grpo)
app.command("dpo", epilog=dpo.EXAMPLES)(dpo.dpo)
app.command("merge", epilog=merge.EXAMPLES)(merge.merge)
app.command("validate", epilog=validate.EXAMPLES)(validate.validate)
app.command("score", epilog=score.EXAMPLES)(score.score)
app.add_typer(eval_run.app, name="eval")
app.command("report", epilog=report.EXAMPLES)(report.report)
app.add_typer(models.app, name="models")
app.add_typer(recipes.app, name="recipes")
app.add_typer(data.app, name="data")
app.add_typer(wheels.app, name="wheels")
app.command("serve", epilog=serve.EXAMPLES)(serve.serve)
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.command("demo", epilog=demo.EXAMPLES)(demo.demo)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
