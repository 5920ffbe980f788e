"""The command line. Bad input gets one line and exit status 2 before anything runs."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from reuselab.check import Failed, nearest


class Group(click.Group):
    """Names the nearest command when one is mistyped."""

    def resolve_command(self, context, args):
        try:
            return super().resolve_command(context, args)
        except click.UsageError as error:
            error.message += nearest(args[0], self.commands)
            raise


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Run the pages of the companion, and build its book."""


preset_option = click.option("--preset", default="quick", show_default=True, metavar="NAME", help="smoke, quick or paper")


@cli.command()
@click.argument("page")
@click.option("-p", "--parameter", "given", nargs=2, multiple=True, metavar="NAME VALUE",
              help="another value for a parameter of the page; lists as '[0, 0.5, 1]'")
@preset_option
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), default="out", show_default=True,
              help="folder for the executed notebook, its HTML and its tables")
def run(page: str, given: tuple[tuple[str, str], ...], preset: str, out: Path) -> None:
    """Run one notebook with other parameters."""
    from reuselab import book, page as pages
    try:
        values = pages.parameters(page, preset, {name: _value(text) for name, text in given})
    except (ValueError, FileNotFoundError) as error:
        raise click.UsageError(str(error)) from None
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{page}.ipynb").touch()
    except OSError as error:
        raise click.UsageError(f"cannot write into {out}: {error.strerror}") from None
    done = book.execute(page, values, out)
    html = book.build_page(done)
    click.echo("\n".join(str(path) for path in [done, html, *sorted(out.glob(f"{page}*.csv"))]))


@cli.command()
@preset_option
def book(preset: str) -> None:
    """Build the whole book, running what has changed."""
    from reuselab import book as books, page as pages
    try:
        for name in pages.pages():
            pages.parameters(name, preset, {})
    except (ValueError, FileNotFoundError) as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"The book is at {books.build(preset)}")


@cli.command()
@preset_option
def claims(preset: str) -> None:
    """Print the scoreboard, running what has changed; exit status 1 when a verdict is not the one in results/."""
    from reuselab import book as books, claims as scores, page as pages
    try:
        for name in pages.pages():
            pages.parameters(name, preset, {})
    except (ValueError, FileNotFoundError) as error:
        raise click.UsageError(str(error)) from None
    for name in pages.pages():
        books.page_notebook(name, preset)
    board = scores.scoreboard(books.BUILD / "pages" / preset)
    click.echo(board[["claim", "verdict", "effect", "who"]].to_string(index=False, justify="left"))
    if changed := scores.changed(board, preset):
        raise Failed("; ".join(changed))


def _value(text: str) -> Any:
    """A parameter's value: JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def main() -> None:
    """The command `reuselab`: exit status 0, 1 when a page fails, 2 for bad input, 130 when interrupted."""
    try:
        sys.exit(cli(standalone_mode=False))
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _stop("interrupted", 130)
    except click.ClickException as error:
        _stop(error.format_message(), 2)
    except Failed as error:
        _stop(str(error), 1)


def _stop(message: str, status: int) -> None:
    click.echo("reuselab: " + " ".join(message.split()), err=True)
    sys.exit(status)
