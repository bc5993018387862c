"""`flask --app study simulate`: participants with a stated truth."""

from collections.abc import Iterator
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from tqdm import tqdm

from study.oneline import one_line_errors, open_desk
from study.simulate import (
    Manner,
    Parameters,
    SimulationError,
    simulate,
    simulate_over_http,
    simulate_visibly,
    stated_names,
)
from study.studies import find_study
from study.web import now

DEFAULT_RATE = 0.32
DEFAULT_SHARE = 0.6
DEFAULT_THRESHOLD_MS = 400.0
DEFAULT_OBVIOUS_RATE = 0.02
DEFAULT_LOW_ANCHOR_RATE = 0.13  # 13 % of the random colourings were missed in 2016


@click.command("simulate")
@click.argument("slug")
@click.option("--participants", type=int, default=40, show_default=True)
@click.option(
    "--fool-rate",
    "fool_rates",
    multiple=True,
    help=f"RATE for every model, or CONDITION=RATE; repeatable  [default: {DEFAULT_RATE}]",
)
@click.option("--low-anchor-rate", type=float, default=DEFAULT_LOW_ANCHOR_RATE, show_default=True)
@click.option("--obvious-rate", type=float, default=DEFAULT_OBVIOUS_RATE, show_default=True)
@click.option(
    "--preference",
    "preferences",
    multiple=True,
    help=f"SHARE of the first condition of every pair, or 'A vs B=SHARE'; repeatable  [default: {DEFAULT_SHARE}]",
)
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    help=f"staircase: MS for every model, or CONDITION=MS; repeatable  [default: {DEFAULT_THRESHOLD_MS:g}]",
)
@click.option("--hit-rate", type=float, default=0.8, show_default=True, help="single pictures: originals called real")
@click.option("--sd-participant", type=float, default=0.5, show_default=True, help="on the logit")
@click.option("--sd-image", type=float, default=1.0, show_default=True, help="on the logit")
@click.option("--slope", type=float, default=2.0, show_default=True, help="staircase: on the logit, per ln ms")
@click.option("--lapse", type=float, default=0.0, show_default=True)
@click.option("--side-bias", type=float, default=0.0, show_default=True, help="on the logit, to the left if positive")
@click.option("--drop-out", type=float, default=0.0, show_default=True, help="share that leaves before the end")
@click.option("--rt-median", "rt_median_ms", type=float, default=735.0, show_default=True, help="ms")
@click.option("--rt-sd", type=float, default=0.35, show_default=True, help="of ln ms, within a participant")
@click.option("--rt-sd-participant", type=float, default=0.25, show_default=True, help="of ln ms, between participants")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--among-people", is_flag=True, help="also in a study in which people took part: for trying the whole chain"
)
@click.option("--visible", is_flag=True, help="in a real browser, in real time (needs playwright and chromium)")
@click.option("--reloads", type=float, default=0.02, show_default=True, help="visible: share of trials reloaded")
@click.option("--slips", type=float, default=0.05, show_default=True, help="visible: share of keys pressed too early")
@click.option("--http", "url", metavar="URL", help="over HTTP, at the address where this instance is served")
@click.option("--at-once", "n_at_once", type=int, default=8, show_default=True, help="http: participants at a time")
@click.option("--headed", "is_headed", is_flag=True, help="visible: in a window that can be watched")
@with_appcontext
@one_line_errors
def simulate_(
    slug: str,
    participants: int,
    fool_rates: tuple[str, ...],
    low_anchor_rate: float,
    obvious_rate: float,
    preferences: tuple[str, ...],
    thresholds: tuple[str, ...],
    among_people: bool,
    visible: bool,
    reloads: float,
    slips: float,
    is_headed: bool,
    url: str | None,
    n_at_once: int,
    **parameters: Any,
) -> None:
    """Add simulated participants with a stated truth to the study SLUG."""
    desk = open_desk()
    study = find_study(desk.database, slug)
    definition = study.definition
    option, stated, default = ("fool-rate", fool_rates, DEFAULT_RATE)
    if definition.is_preference:
        option, stated, default = ("preference", preferences, DEFAULT_SHARE)
    elif definition.staircase.is_on:
        option, stated, default = ("threshold", thresholds, DEFAULT_THRESHOLD_MS)
    for other, given in (("fool-rate", fool_rates), ("preference", preferences), ("threshold", thresholds)):
        if given and other != option:
            raise SimulationError(f"--{other}: {study.slug} measures {definition.outcome.measure}; use --{option}")
    compared, controls = stated_names(study)
    rates = dict.fromkeys(compared, default)
    if definition.catch.low_anchor_condition in controls:
        rates[definition.catch.low_anchor_condition] = low_anchor_rate
    if definition.catch.obvious_condition in controls:
        rates[definition.catch.obvious_condition] = obvious_rate
    for text in stated:
        name, _, value = text.rpartition("=")
        try:
            rate = float(value)
        except ValueError:
            raise SimulationError(f"--{option}: expected NUMBER or CONDITION=NUMBER, got {text!r}") from None
        rates.update({name: rate} if name else dict.fromkeys(compared, rate))
    with tqdm(total=participants, unit=" participants", leave=False, disable=None) as bar:
        same: dict[str, Any] = {
            "n_participants": participants,
            "rates": rates,
            "parameters": Parameters(**parameters),
            "among_people": among_people,
            "tell": lambda _: bar.update(),
        }
        if visible and url is not None:
            raise SimulationError("--http: takes no browser; leave out --http or --visible")
        if url is not None:
            truth = simulate_over_http(desk, study, url, clock=now, n_at_once=n_at_once, **same)
        elif visible:
            app = current_app._get_current_object()  # type: ignore[attr-defined]
            manner = Manner(reloads, slips, is_headed)
            truth = simulate_visibly(app, desk, study, manner=manner, clock=now, **same)
        else:
            truth = simulate(desk, study, now=now(), **same)
    click.echo(f"{participants} SIMULATED participants added to {study.name}")
    for line in _truth_lines(truth):
        click.echo(f"  {line}")


def _truth_lines(truth: dict[str, Any]) -> Iterator[str]:
    latent = truth["parameters"]
    for key, label in (
        ("fool_rate", "fool rate"),
        ("preference", "preference"),
        ("control_rate", "rate of the control"),
    ):
        for name, rate in truth.get(key, {}).items():
            yield f"{name}: true {label} {rate:.4f} (latent {latent['latent_fool_rate'][name]:.4f})"
    if "hit_rate" in truth:
        yield f"originals: true hit rate {truth['hit_rate']:.4f} (latent {latent['latent_hit_rate']:.4f})"
    for name, rate in truth.get("error_rate", {}).items():
        yield f"{name}: true error rate {rate:.4f}"
    for name, ms in truth.get("threshold_ms", {}).items():
        yield f"{name}: true threshold {ms:.1f} ms (latent {latent['latent_threshold_ms'][name]:.1f} ms)"


COMMANDS = (simulate_,)
