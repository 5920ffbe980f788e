"""The command line. Bad input gets one line and exit status 2 before anything runs."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from reuselab import guard, places
from reuselab.check import Failed, nearest, shorten


class Group(click.Group):
    """Names the nearest command when one is mistyped."""

    def resolve_command(self, context, args):
        try:
            return super().resolve_command(context, args)
        except click.UsageError as error:
            hint = nearest(args[0], self.commands)
            raise click.UsageError(error.message + hint, error.ctx) from None


@click.group(cls=Group, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Run the pages of the companion, and build its book."""
    with _refusals():
        for variable in ("REUSELAB_HOME", "REUSELAB_DATA"):
            places.named(variable)


preset_option = click.option(
    "--preset", default="quick", show_default=True, metavar="NAME", help="smoke, quick or paper"
)


def parameter_option(told: str) -> Callable:
    """The option -p NAME VALUE, as often as wanted; told: its help."""
    return click.option("-p", "--parameter", "given", nargs=2, multiple=True, metavar="NAME VALUE", help=told)


estimate_option = click.option(
    "--estimate", is_flag=True, help="only say how long it would take on this machine"
)


@cli.command()
@click.argument("page")
@parameter_option("another value for a parameter of the page; lists as '[0, 0.5, 1]'")
@preset_option
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="out",
    show_default=True,
    help="folder for the executed notebook, its HTML and its tables",
)
@estimate_option
def run(page: str, given: tuple[tuple[str, str], ...], preset: str, out: Path, estimate: bool) -> None:
    """Run one notebook with other parameters."""
    from reuselab.book import build, pages

    with _refusals():
        values = pages.parameters(page, preset, _values(given))
    if estimate:
        return _estimate(
            [page], preset, "for the preset's own parameters, not for those given; " if given else ""
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{page}.ipynb").touch()
    except OSError as error:
        raise click.UsageError(f"cannot write into {out}: {error.strerror}") from None
    with build.alone(out):
        before = _written(out, page)
        done = build.execute(page, values, out)
        html = build.build_page(done)
        tables = sorted(dict(_written(out, page) - before))
    click.echo("\n".join(map(str, [done, html, *tables])))


@cli.command()
@preset_option
@estimate_option
def book(preset: str, estimate: bool) -> None:
    """Build the whole book, running what has changed."""
    from reuselab.book import build as books

    values = _check_pages(preset)
    if estimate:
        return _estimate(list(values), preset)
    click.echo(f"The book is at {books.build(preset)}")


@cli.command()
def claims() -> None:
    """Print the scoreboard: each claim's verdict by the evidence, on each image set and in all."""
    from reuselab.claims import evidence

    board = evidence.scoreboard()[["claim", "verdict", "evidence", "what"]]
    click.echo(board.to_string(index=False, justify="left"))
    click.echo()
    click.echo(evidence.board().to_string(index=False, justify="left"))


@cli.command()
@click.argument("names", nargs=-1, metavar="[PAGE]...")
def check(names: tuple[str, ...]) -> None:
    """Run pages at smoke, by default all, and hold their numbers to the kept rows.

    Exit status 1, and a line for each, where numbers differ by more than processors do.
    """
    from reuselab.book import agreement, build, pages

    with _refusals():
        names = tuple(dict.fromkeys(names or pages.pages()))
        for name in names:
            pages.parameters(name, agreement.PRESET, {})
    lines = []
    with build.alone(build.BUILD):
        build.notebooks(agreement.PRESET, names)
    for name in names:
        try:
            held = agreement.compare(name, build.BUILD / "pages" / agreement.PRESET)
        except ValueError as reason:
            click.echo(f"{name}: not asked: {reason}")
            continue
        click.echo(f"{name}: {agreement.summary(held)}")
        lines += agreement.disagreements(held)
    if lines:
        click.echo("\n".join(lines))
        raise Failed(f"{len(lines)} numbers are not those that are kept")


@cli.command()
@parameter_option("a parameter of all cells, or an axis of the grid: '[0, 0.5, 1]'")
@click.option("--workers", type=int, help="processes [default: one a core]")
@click.option("--scheduler", metavar="ADDRESS", help="run on a Dask cluster, as tcp://HOST:8786")
@click.option("--time-limit", type=float, metavar="SECONDS", help="a cell that takes longer has failed")
@click.option("--retry-failed", is_flag=True, help="run cells again that are known to fail")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="write the table as FILE.csv or FILE.parquet",
)
def study(
    given: tuple[tuple[str, str], ...],
    workers: int | None,
    scheduler: str | None,
    time_limit: float | None,
    retry_failed: bool,
    out: Path | None,
) -> None:
    """Run a grid of cells; those that are kept are not run again."""
    from reuselab.runs import exchange
    from reuselab.runs import study as studies

    with _refusals():
        cells = studies.grid(**_values(given))
        if out:
            exchange.writable(out)
        client = _client(scheduler) if scheduler is not None else None
        table = studies.study(cells, workers, client, time_limit=time_limit, retry_failed=retry_failed)
    if out:
        exchange.write(table, out)
    click.echo(f"{len(table):,} cells done, " + (f"in {out}" if out else "kept"))


@cli.command()
def status() -> None:
    """Count the kept cells: done, running, failed, stale."""
    from reuselab.runs.store import Store

    with _refusals(), Store() as store:
        click.echo("\n".join(f"{kind:8}{count:>10,}" for kind, count in store.counts().items()))


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
def export(file: Path) -> None:
    """Write all kept rows, stale ones too, as FILE.csv or FILE.parquet."""
    from reuselab.runs import exchange
    from reuselab.runs.store import Store

    with _refusals():
        exchange.writable(file)
        with Store() as store:
            table = store.table(stale=True)
    exchange.write(table, file)
    click.echo(f"{len(table):,} rows in {file}")


@cli.command(name="export-network")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@parameter_option("a parameter of the cell, as in `study`")
def export_network(file: Path, given: tuple[tuple[str, str], ...]) -> None:
    """Train an Alice and a Bob, and write them as FILE, JSON, for the book's laboratory."""
    from reuselab.book import laboratory
    from reuselab.runs import exchange

    with _refusals():
        cell = laboratory.checked(_values(given))
        exchange.probe(file)
    told = laboratory.export(cell)
    with exchange.whole(file) as part:
        part.write_text(told)
    click.echo(f"Alice and Bob are in {file}")


@cli.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
def import_(file: Path) -> None:
    """Take over the rows of an exported FILE; exit status 1 where one contradicts a row kept here."""
    from reuselab.runs import exchange
    from reuselab.runs.store import Store

    with _refusals():
        rows = exchange.read(file)
        with Store() as store:
            new, contradictions = store.add(rows, exchange.TOLERANCE)
    click.echo(f"{new:,} new rows of {len(rows):,}")
    if contradictions:
        raise Failed(
            f"{len(contradictions):,} measures differ by more than {exchange.TOLERANCE} from what is kept "
            f"here, which stays: {'; '.join(contradictions[:3])}"
        )


@cli.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option("--network", metavar="NAME", help="a classifier of torchvision, as resnet18")
@click.option(
    "--weights", type=click.Path(path_type=Path), metavar="FILE", help="its tensors, a safetensors file"
)
@click.option("--imagenet", is_flag=True, help="torchvision's own ImageNet weights for it")
@click.option(
    "--alice", type=click.Path(path_type=Path), metavar="FILE", help="an Alice of ours: a cell's JSON"
)
@click.option("--candidates", is_flag=True, help="rank the networks whose weights the FILEs hold")
@click.option(
    "--data",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    required=True,
    help="labelled photographs, DIR/CLASS/*.jpg",
)
@click.option("--budget", type=float, default=60, show_default=True, metavar="SECONDS")
@click.option("--side", type=int, default=128, show_default=True, help="pixels that photographs are cut to")
@click.option(
    "-o", "--out", type=click.Path(file_okay=False, path_type=Path), default="out", show_default=True
)
def advise(
    files: tuple[Path, ...],
    network: str | None,
    weights: Path | None,
    imagenet: bool,
    alice: Path | None,
    candidates: bool,
    folder: Path,
    budget: float,
    side: int,
    out: Path,
) -> None:
    """Say how many blocks of a network to retrain for a folder of labelled photographs."""
    # Read when torch is loaded: threads that wait spin else, four times as slow beside other programs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from reuselab import advisor, check, given
    from reuselab.figures import candidates as figures

    with _refusals():
        advisor.BUDGET("--budget", budget)
        check.integer(16, 1024)("--side", side)
        if sum((weights is not None, imagenet, alice is not None, candidates)) != 1:
            raise ValueError(
                "give one of --weights FILE, --imagenet, --alice FILE and --candidates FILE FILE"
            )
        if (network is None) != (alice is not None):
            raise ValueError("--network is needed for all but --alice, which says its own")
        if (len(files) > 1) != candidates or (files and not candidates):
            raise ValueError("--candidates takes two FILEs or more, and nothing else takes any")
        photographs = given.photographs(folder, side)
        advisor.enough(photographs.labels)
        if candidates:
            assert network
            teachers = {str(file): given.from_file(network, file, side) for file in files}
            ranked = advisor.rank(
                {name: (one.net, one.shown(photographs)) for name, one in teachers.items()},
                photographs.labels,
            )
            click.echo(ranked.round(3).to_string(index=False))
            return click.echo(f"Take {ranked.alice[0]}: its features suit these photographs best.")
        places.writable(out)
        if alice:
            teacher = given.of_ours(alice)
        elif weights:
            teacher = given.from_file(network or "", weights, side)
        else:
            teacher = given.imagenet(network or "", side)
        told = advisor.advise(teacher.net, teacher.shown(photographs), photographs.labels, budget=budget)
    click.echo(told.table.round(3).to_string(index=False))
    click.echo(told.sentence)
    figures.candidates(told.table, told.retrain, reuse=told.reuse).savefig(out / "advice.png", dpi=150)
    kept = {"retrain": told.retrain, "reuse": told.reuse, "sentence": told.sentence}
    kept |= {"classes": list(photographs.classes), "images": len(photographs.labels), "side": side}
    rows = json.loads(told.table.to_json(orient="records"))
    (out / "advice.json").write_text(json.dumps(kept | {"candidates": rows}, indent=1))
    click.echo(f"{out / 'advice.png'}\n{out / 'advice.json'}")


@cli.group(cls=Group, no_args_is_help=False)
def data() -> None:
    """List the image sets, and fetch them."""


folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="folder of image sets [default: REUSELAB_DATA, else data]",
)


@data.command(name="list")
@folder_option
def list_(folder: Path | None) -> None:
    """Show each image set's licence and size, where it is, and whether it is whole.

    Reads all files to tell.
    """
    from reuselab.experiment import bases
    from reuselab.sources import registry as sets

    root = folder or bases.folder()
    rows = [("name", "image set", "size", "licence", "where", "here?")]
    for name, images in sets.SETS.items():
        state = str(sets.state(name, root))
        rows.append((name, images.title, images.size, images.licence, str(root / images.place), state))
    widths = [max(map(len, column)) + 2 for column in zip(*rows)]
    for row in rows:
        click.echo("".join(map(str.ljust, row, widths)).rstrip())


@data.command()
@click.argument("name")
@folder_option
@click.option("--classes", metavar="NAMES", help="openimages: names of classes, as 'Dog,Cat'")
@click.option(
    "--images",
    type=int,
    metavar="N",
    help="openimages: at most N images of each class for training, and N for testing [default: 200]",
)
def fetch(name: str, folder: Path | None, classes: str | None, images: int | None) -> None:
    """Fetch an image set, or go on where an earlier call was interrupted.

    Checked against its published checksum.
    """
    from reuselab import check
    from reuselab.experiment import bases
    from reuselab.sources import openimages
    from reuselab.sources import registry as sets

    with _refusals():
        check.known("image set", name, sets.SETS)
        wanted = [part.strip() for part in (classes or "").split(",") if part.strip()]
        if name == "openimages" and not wanted:
            raise ValueError("openimages is fetched in part: say of which classes, as --classes 'Dog,Cat'")
        if name != "openimages" and (classes, images) != (None, None):
            raise ValueError(f"--classes and --images are for openimages; {name} is fetched whole")
        check.integer(1, 100_000)("--images", images := 200 if images is None else images)
        root = folder or bases.folder()
        places.writable(root)
        if name == "openimages":
            state = openimages.fetch(root / sets.SETS[name].place, wanted, images)
        else:
            state = str(sets.fetch(name, root))
    click.echo(f"{name} in {root}: {state}")
    if root.resolve() != bases.folder().resolve():
        click.echo(f'to use it: export REUSELAB_DATA="{root.resolve()}"')


def _written(out: Path, page: str) -> set[tuple[Path, int]]:
    """The tables of `page` in `out`, and when each was written, in nanoseconds."""
    return {(path, path.stat().st_mtime_ns) for path in out.glob(f"{page}*.csv")}


def _check_pages(preset: str) -> dict[str, dict[str, Any]]:
    """Each page's parameters. Refuses a preset that some page cannot run with, before any does."""
    from reuselab.book import pages

    with _refusals():
        return {name: pages.parameters(name, preset, {}) for name in pages.pages()}


def _estimate(names: list[str], preset: str, whose: str = "") -> None:
    """A line for each page, and the total."""
    from reuselab.book.estimate import estimate

    with _refusals():
        pages, total = estimate(names, preset)
    for name, seconds in pages.items():
        click.echo(f"{name:20}{'not measured' if seconds != seconds else _time(seconds):>12}")
    if total == total:
        click.echo(
            f"{'total':20}{_time(total):>12}  {whose}two pages at a time, as they took elsewhere, "
            "scaled by a training timed here; give or take a factor of two"
        )


def _time(seconds: float) -> str:
    """Seconds as a person says them."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(1, seconds):.0f} seconds"


@contextmanager
def _refusals() -> Iterator[None]:
    """What cannot be done, as one line and exit status 2."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        raise click.UsageError(str(error)) from None


def _client(address: str):
    """A Dask client. ValueError, within seconds, where no scheduler answers."""
    from distributed import Client

    try:
        return Client(address, timeout=5)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"no Dask scheduler answers at {shorten(address)}, which should look like "
            f"tcp://HOST:8786 ({shorten(str(error))})"
        ) from None


def _values(given: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Parameters by name. ValueError where one is given twice."""
    values: dict[str, Any] = {}
    for name, text in given:
        if name in values:
            raise ValueError(f"each parameter can be given once, and {shorten(name)} is given again")
        values[name] = _value(text)
    return values


def _value(text: str) -> Any:
    """A parameter's value: JSON where it is JSON, else the text. ValueError where that cannot be read."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
    except (RecursionError, ValueError):
        raise ValueError(f"the value {shorten(text)} is nested too deep or has too many digits") from None


def main() -> None:
    """The command `reuselab`: exit status 0, 1 when a page fails, 2 for bad input, 130 when interrupted."""
    sys.exit(guard.guarded(_command))


def _command() -> None:
    places.shorten_temporary()
    with cli.make_context("reuselab", sys.argv[1:]) as context:
        cli.invoke(context)
