"""`python -m analysis power` before a study, `python -m analysis sequential` while it runs."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any


def add_study_commands(commands: Any) -> None:
    """Add both commands to a parser's subcommands."""
    power = commands.add_parser(
        "power",
        help="how many participants and photographs a study needs, with cost and curves",
        description="Simulate studies before there is data. The question is how to tell two fool rates apart, between "
        "and within participants side by side; or give one rate and --precision, --target or --equivalence.",
    )
    power.add_argument(
        "--rates", type=float, nargs="+", default=[0.37, 0.32], metavar="RATE", help="expected fool rates (.37 .32)"
    )
    power.add_argument("--precision", type=float, metavar="POINTS", help="half-width of the interval, e.g. 0.03")
    power.add_argument("--target", type=float, metavar="RATE", help="a rate declared beforehand, e.g. 0.10")
    power.add_argument("--equivalence", type=float, metavar="MARGIN", help="50 %% ± margin, e.g. 0.05")
    power.add_argument("--participants", type=int, nargs="+", default=[50, 100, 200, 400], metavar="N", help="in all")
    power.add_argument("--photos", type=int, nargs="+", default=[40, 200, 1000], metavar="N", help="in the pool")
    power.add_argument("--trials", type=int, default=36, metavar="N", help="per participant, all conditions (36)")
    power.add_argument("--power", type=float, default=0.8, metavar="SHARE", help="asked for (.8)")
    power.add_argument("--sd-participant", type=float, default=0.5, metavar="SD", help="on the logit (.5)")
    power.add_argument("--sd-image", type=float, default=0.6, metavar="SD", help="shared by all conditions (.6)")
    power.add_argument("--sd-interaction", type=float, default=0.8, metavar="SD", help="image × condition (.8)")
    power.add_argument("--pay", type=float, metavar="MONEY", help="per participant, to show the cost")
    power.add_argument("--fee", type=float, default=0.0, metavar="SHARE", help="of the platform, on top of pay")
    power.add_argument("--seconds", type=float, default=7.0, metavar="S", help="per trial (7)")
    power.add_argument("--minutes", type=float, default=3.0, metavar="MIN", help="for consent, practice, debrief (3)")
    power.add_argument("--studies", type=int, default=1000, metavar="N", help="simulated per point (1000)")
    power.add_argument("--seed", type=int, default=0)
    power.add_argument("--out", type=Path, metavar="DIR", help="write power.svg, power.png and power.json there")
    power.add_argument("--json", action="store_true", help="print JSON instead of a table")
    power.set_defaults(run=_power)
    sequential = commands.add_parser(
        "sequential",
        help="fool rates while the data comes in: an interval that may be looked at after every participant",
        description="Print, per condition, an interval that holds however often it is looked at. It is about new "
        "participants and these photographs only.",
    )
    sequential.add_argument("export", type=Path, metavar="EXPORT", help="a study's export: directory or .zip")
    sequential.add_argument("--confidence", type=float, default=0.95)
    sequential.add_argument("--json", action="store_true", help="print JSON, the whole course included")
    sequential.set_defaults(run=_sequential)


def _power(options: argparse.Namespace, command: str) -> int:
    from tqdm import tqdm

    from analysis.power import Plan, advise, power_curves
    from analysis.simulation import Spreads

    asked = {name: getattr(options, name) for name in ("precision", "target", "equivalence")}
    given = [name for name, value in asked.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"power: expected one question, got --{' and --'.join(given)}; ask them one after the other")
    if options.studies < 100 or min(options.sd_participant, options.sd_image, options.sd_interaction) < 0:
        raise ValueError("power: expected 100 or more --studies and standard deviations of 0 or more")
    question: Any = given[0] if given else "difference"
    rates = tuple(options.rates)
    if given and "--rates" not in command:
        rates = (0.5,) if question == "equivalence" else (0.32,)
    plan = Plan(
        question,
        rates,
        options.trials,
        asked[question] if given else math.nan,
        Spreads(options.sd_participant, options.sd_image, options.sd_interaction),
        options.power,
    )
    sizes, images = sorted(set(options.participants)), sorted(set(options.photos))
    total = len(plan.comparisons) * len(images) * (len(sizes) + 1)
    curves = power_curves(plan, sizes, images, n_studies=options.studies, seed=options.seed)
    points = list(tqdm(curves, total=total, desc="simulating", disable=not sys.stderr.isatty(), leave=False))
    advice = advise(plan, points)
    minutes = options.minutes + options.trials * options.seconds / 60
    cost = options.pay * (1 + options.fee) if options.pay is not None else math.nan
    content = {
        "command": command,
        "plan": asdict(plan),
        "n_studies": options.studies,
        "seed": options.seed,
        "minutes_per_participant": minutes,
        "cost_per_participant": cost,
        "points": [asdict(point) for point in points],
        "advice": [asdict(one) for one in advice],
    }
    if options.out:
        from analysis.power_plot import draw

        options.out.mkdir(parents=True, exist_ok=True)
        draw(plan, points, options.out)
        (options.out / "power.json").write_text(_json(content) + "\n", encoding="utf-8")
    if options.json:
        print(_json(content))
        return 0
    print(_headline(plan, options))
    print(f"{'layout':10}{'photos':>8}{'people':>9}{'power':>8}{'±':>6}{'half-width':>12}{'hours':>8}{'cost':>10}")
    for point in points:
        people = "limit" if math.isinf(point.n_participants) else f"{point.n_participants:g}"
        hours, money = "", ""
        if math.isfinite(point.n_participants):
            hours = f"{point.n_participants * minutes / 60:.1f}"
            money = f"{point.n_participants * cost:,.0f}" if math.isfinite(cost) else ""
        print(
            f"{point.comparison:10}{point.n_images:>8,}{people:>9}{point.power:>8.2f}{point.monte_carlo_se:>6.2f}"
            f"{100 * point.half_width:>10.1f} %{hours:>8}{money:>10}"
        )
    for one in advice:
        price = ""
        if one.n_participants is not None:
            price = f", {one.n_participants * minutes / 60:.0f} hours of people's time"
            price += f", {one.n_participants * cost:,.0f} in all" if math.isfinite(cost) else ""
        print(f"- {one.sentence}{price}.")
    if options.out:
        print(options.out / "power.svg")
    return 0


def _headline(plan: Any, options: argparse.Namespace) -> str:
    what = {
        "difference": "To tell {0:.0%} from {1:.0%}",
        "precision": "For a 95 % interval of ± {aim:.1%} around {0:.0%}",
        "target": "To tell {0:.0%} from the declared target of {aim:.0%}",
        "equivalence": "To show that {0:.0%} lies within 50 % ± {aim:.1%}",
    }[plan.question].format(*plan.rates, aim=plan.aim)
    sds = plan.spreads
    return (
        f"{what}: {options.studies:,} simulated studies per row, {plan.n_each} trials per participant; "
        f"sds on the logit {sds.participant:g} (participants), {sds.image:g} (images), "
        f"{sds.interaction:g} (image × condition)."
    )


def _sequential(options: argparse.Namespace, command: str) -> int:
    from analysis.designs import PAIR, kind_of, refuse_other
    from analysis.exclusions import select
    from analysis.plan import read_plan
    from analysis.sequential import confidence_sequence
    from analysis.trials import read_export

    export = read_export(options.export)
    test = select(export.sessions, export.trials, read_plan(export.definition)).test
    if test.empty:
        raise ValueError(f"{export.source}: expected scored test trials of complete sessions, got none; wait for some")
    refuse_other(export.source, kind_of(test, export.source), PAIR)
    found = []
    for condition, rows in test.groupby("condition_a", sort=True):
        people = rows.groupby("participant_id").agg(
            mean=("fooled", lambda fooled: fooled.astype(float).mean()), finished=("answered_at_utc", "max")
        )
        means = people.sort_values("finished", kind="stable")["mean"].to_numpy(dtype=float)
        found.append((str(condition), confidence_sequence(means, confidence=options.confidence)))
    if options.json:
        rows_json = [
            {
                "condition": name,
                "n_participants": one.n_participants,
                "mean": one.mean,
                "ci_low": one.low,
                "ci_high": one.high,
                "confidence": one.confidence,
                "estimand": one.estimand,
                "course": {"low": one.low_T.tolist(), "high": one.high_T.tolist(), "mean": one.means_T.tolist()},
            }
            for name, one in found
        ]
        print(_json({"command": command, "is_simulated": export.is_simulated, "conditions": rows_json}))
        return 0
    if export.is_simulated:
        print("SIMULATED data: these sessions were made by a program.")
    for name, one in found:
        print(
            f"{name}: {100 * one.mean:.1f}% fooled after {one.n_participants} participants, "
            f"{100 * one.confidence:g}% confidence sequence [{100 * one.low:.1f}, {100 * one.high:.1f}]"
        )
    print(f"About {found[0][1].estimand}. Not the report's interval, which is about new photographs, too.")
    return 0


def _json(content: Any) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        return [plain(one) for one in value] if isinstance(value, list | tuple) else value

    return json.dumps(plain(content), indent=1, ensure_ascii=False)
