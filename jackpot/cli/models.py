"""jackpot models: the registered versions of a market's model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from . import options
from .output import Output, table
from .rollback import command as rollback

if TYPE_CHECKING:
    from ..adapters.places import Places
    from ..ports import RegisteredModel, VersionNote
    from ..promotion import Standings

name_option = click.option("--name", default="", help="The model's name in the registry [the one last promoted].")


@click.group("models")
def command() -> None:
    """List, show and compare a market's registered models, restore them, roll back. Every command takes --json."""


command.add_command(rollback)


@dataclass(frozen=True)
class Opened:
    """A market's model name, its versions, and where they stand."""

    places: Places
    title: str
    currency: str
    decimals: int
    name: str
    notes: list[VersionNote]
    stand: Standings
    lost: tuple[str, ...]
    """What the audit log or the store has, and the registry has not."""
    over: dict[str, str]
    """By version, how the log last ended it: rejected, or rolled back."""

    def load(self, version: str) -> RegisteredModel:
        """Return a version with its files."""
        from ..errors import InputError, Problem
        from ..promotion import Version
        from ..promotion.versions import load_version

        note = next((note for note in self.notes if note.version == version), None)
        if note is None:
            known = ", ".join(note.version for note in self.notes) or "none is registered"
            lost = ", ".join(self.lost)
            hint = f"the registry has lost {lost}: jackpot models restore puts them back" if lost else ""
            raise InputError(Problem(f"{self.name} has no such version", found=version, allowed=known, hint=hint))
        places = self.places
        return load_version(self.name, Version(version, note.sha256), places.store, places.registry)


@command.command("list")
@options.market
@name_option
@options.environment
@options.as_json
def list_versions(market: str, name: str, environment: str, as_json: bool) -> int:
    """List MARKET's versions: what each was fitted on, its error, and how it stands."""
    output, opened = Output(as_json), _open(market, name, environment)
    rows = [_row(opened, note) for note in opened.notes]
    if as_json:
        output.json(rows)
        return 0
    shown = table("version", "stands", "as of", "registered", "snapshot", "commit", title=opened.name, numbers_from=6)
    for row in rows:
        shown.add_row(
            row["version"],
            ", ".join(row["stands"]),
            row["as_of"],
            row["created_at"][:16],
            row["snapshot"][:12],
            row["commit"][:12],
        )
    output.results.print(shown)
    if opened.lost:
        output.say(f"the registry has lost {', '.join(opened.lost)}")
        output.next_step(f"jackpot models restore {market}")
    elif len(rows) > 1:
        output.next_step(f"jackpot models compare {market} {rows[-2]['version']} {rows[-1]['version']}")
    elif not rows:
        output.next_step(f"jackpot run {market}")
    return 0


@command.command("show")
@options.market
@click.argument("version")
@name_option
@options.environment
@options.as_json
def show(market: str, version: str, name: str, environment: str, as_json: bool) -> int:
    """Show one version: where it comes from, its gates, and its card."""
    from ..records import Evaluation, Gates

    output, opened = Output(as_json), _open(market, name, environment)
    loaded = opened.load(version)
    note = next(note for note in opened.notes if note.version == version)
    gates = Gates.model_validate_json(loaded.files["gates.json"])
    evaluation = Evaluation.model_validate_json(loaded.files["evaluation.json"])
    if as_json:
        told = {"gates": gates.model_dump(mode="json"), "evaluation": evaluation.model_dump(mode="json")}
        output.json({**_row(opened, note), "tags": dict(note.tags), **told})
        return 0
    rows = table("", "", title=f"{opened.name} {version}", numbers_from=2)
    for key, value in {**_row(opened, note), "stands": ", ".join(_stands(opened, note)) or "-", **note.tags}.items():
        rows.add_row(key, str(value))
    output.results.print(rows)
    verdicts = table("gate", "verdict", "", numbers_from=3)
    for line in gates.lines:
        verdicts.add_row(line.name, line.verdict.replace("_", " "), line.reason)
    output.results.print(verdicts)
    output.results.print(loaded.files["card.md"].decode(), markup=False)
    return 0


@command.command("compare")
@options.market
@click.argument("one")
@click.argument("other")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the picture (PNG).")
@click.option("--year", is_flag=True, help="What either would have recommended over the last year (minutes).")
@name_option
@options.environment
@options.as_json
def compare(
    market: str, one: str, other: str, picture: Path | None, year: bool, name: str, environment: str, as_json: bool
) -> int:
    """Compare versions ONE and OTHER of MARKET's model: back-test figures, and demand curves from the same data.

    The figures are each version's own back-test, over its own window; the gates of a challenger compare over one. With
    --year each draw of the last year is decided anew instead, as of its day, with either version's settings.
    """
    from ..canonical import write_atomically
    from ..promotion.compare import compare_versions
    from ..report.money import Money
    from ..report.versions import versions_png

    output, opened = Output(as_json), _open(market, name, environment)
    if year:
        return _year(output, opened, market, one, other)
    found = compare_versions(opened.load(one), opened.load(other))
    money = Money(opened.currency, opened.decimals)
    target = picture or Path("out") / f"{opened.name}-{one}-{other}.png"
    write_atomically(target, versions_png(found, opened.title, money))
    if as_json:
        curves = found.curves.to_dict("list")
        output.json({"figures": found.figures, "curves": curves, "draw_date": found.draw_date, "picture": str(target)})
        return 0
    rows = table("back-test", one, other, title=opened.name)
    for figure, pair in found.figures.items():
        rows.add_row(figure, *("-" if value is None else f"{value:,.4g}" for value in pair))
    output.results.print(rows)
    rows = table(f"jackpot, {found.draw_date}", f"sales by {one}", f"by {other}", "difference", numbers_from=0)
    for position in range(0, len(found.curves), 10):
        point = found.curves.iloc[position]
        a, b = float(point[f"{one}_mean"]), float(point[f"{other}_mean"])
        rows.add_row(money.short(float(point["jackpot"])), money.short(a), money.short(b), f"{b / a - 1:+.1%}")
    output.results.print(rows)
    output.say(f"both from the data of {found.snapshot_of}; the picture: {target}")
    output.next_step(f"open {target}")
    return 0


@command.command("restore")
@click.argument("markets", nargs=-1, metavar="[MARKET]...")
@options.environment
@options.as_json
def restore(markets: tuple[str, ...], environment: str, as_json: bool) -> int:
    """Register again what the registry has lost of MARKET, or of every market, and set its aliases.

    Files and tags come from the store; which version is which, and champion, from the audit log. Versions keep their
    names. Weekly runs, promotions and rollbacks do the same by themselves. Exits 1 where a version is lost for good.
    """
    from ..adapters.clock import now
    from ..adapters.identity import caller
    from ..adapters.places import open_places
    from ..market.loading import known_markets, load_market
    from ..ports import RegistryLostError
    from ..promotion.restore import model_names

    output, places = Output(as_json), open_places(environment)
    by = caller(places.environment.approval).person
    found = []
    for name in markets or known_markets():
        market = load_market(name).market.market
        for model_name in model_names(market, places.audit(market)):
            promoter = places.promoter(market, model_name, by, now())
            with output.working(f"comparing {model_name} with the store"):
                done = promoter.restore()
                try:
                    promoter.settle()
                except RegistryLostError:
                    # Already told, with the remedy: the other names go on.
                    if done is None or not done.failed:
                        raise
            if done is not None:
                found.append({"market": market, **asdict(done)})
    failed = [each for each in found if each["failed"]]
    if as_json:
        output.json(found)
    if not found:
        output.say("the registry has every version that the audit log and the store have")
    if failed:
        output.next_step(f"put these files back, then: jackpot models restore {failed[0]['market']}")
    else:
        output.next_step(f"jackpot models list {found[0]['market'] if found else 'MARKET'}")
    return 1 if failed else 0


def _year(output: Output, opened: Opened, market: str, one: str, other: str) -> int:
    from ..report.money import Money
    from ..steps.beside import versions_beside, year_key

    with output.working(f"{opened.name}: a year with {one} and with {other}"):
        found = versions_beside(opened.name, opened.load(one), opened.load(other))
    key = year_key(found.model_name, one, found.one_sha256, other, found.other_sha256)
    opened.places.store.replace(key, found.to_bytes())
    if output.as_json:
        output.json(found.model_dump(mode="json"))
        return 0
    money = Money(opened.currency, opened.decimals)
    rows = table("draw", "announced", "sales", one, other, f"sales by {one}", f"by {other}", title=opened.name)
    for draw in found.draws:
        figures = (draw.announced, draw.sales, draw.one.jackpot, draw.other.jackpot)
        expected = (draw.one.expected_sales, draw.other.expected_sales)
        cells = ("-" if figure is None else money.short(figure) for figure in (*figures, *expected))
        rows.add_row(draw.draw_date, *cells)
    output.results.print(rows)
    for sentence in found.words(money.short):
        output.say(sentence)
    output.say(f"kept as {opened.places.store.uri(key)}, where the console shows it")
    output.next_step(f"jackpot models compare {market} {one} {other}")
    return 0


def _open(market: str, name: str, environment: str) -> Opened:
    from ..adapters.places import open_places
    from ..errors import InputError, Problem
    from ..market.loading import load_market
    from ..promotion import Version, model_name_of, standings
    from ..promotion.restore import lost_versions, model_names

    places, loaded = open_places(environment), load_market(market).market
    log = places.audit(loaded.market)
    known = sorted({loaded.market, f"{loaded.market}-synthetic", *model_names(loaded.market, log)})
    if name and name not in known:
        raise InputError(Problem("no such model", field="--name", found=name, allowed=", ".join(known)))
    model_name = name or model_name_of(loaded.market, log)
    notes = places.registry.versions(model_name)
    lost = tuple(version.version for version in lost_versions(log, model_name, places.store, notes))
    stand, over = standings(log, model_name), {}
    for entry in log.entries("approval_answer", "rollback"):
        if entry.body["model_name"] == model_name:
            was = cast("dict[str, Any]", entry.body["from"]) if entry.kind == "rollback" else entry.body
            over[Version.of(was).version] = "rolled back" if entry.kind == "rollback" else str(entry.body["verdict"])
    over = {version: ended for version, ended in over.items() if ended != "approved"}
    return Opened(places, loaded.title, loaded.currency, loaded.currency_decimals, model_name, notes, stand, lost, over)


def _stands(opened: Opened, note: VersionNote) -> list[str]:
    """By the audit log, which decides; the registry's aliases follow it."""
    named = {"champion": opened.stand.champion, "previous": opened.stand.previous}
    by_log = [alias for alias, held in named.items() if held is not None and held.version == note.version]
    if not by_log and note.version in opened.over:
        return [opened.over[note.version]]
    return by_log + [alias for alias in note.aliases if alias not in named]


def _row(opened: Opened, note: VersionNote) -> dict[str, Any]:
    tags = ("as_of", "snapshot", "market_file", "commit", "image", "lock")
    return {
        "version": note.version,
        "stands": _stands(opened, note),
        "sha256": note.sha256,
        "created_at": note.created_at,
        **{tag: note.tags.get(tag, "") for tag in tags},
    }
