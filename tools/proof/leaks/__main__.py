"""Run the audit of leaks and write docs/results/leaks.json and docs/leaks.md: `make leaks`.

Takes about a quarter of an hour on two cores.
"""

import argparse
import json
import math
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tools.proof import instance, server
from tools.proof.leaks import leaky
from tools.proof.leaks.adversary import AUC_BAND, P_FLOOR, Verdict, attack
from tools.proof.leaks.collect import watch
from tools.proof.leaks.features import n_recognised, table

RESULT = server.ROOT / "docs" / "results" / "leaks.json"
PAGE = server.ROOT / "docs" / "leaks.md"
N_TEST = 16
N_TRIALS_LEAKY = 1600
RENDERED = ["truehue-lite", "random", "gray"]


def main() -> int:
    """Watch, attack, write; status 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tools.proof.leaks", description=__doc__)
    parser.add_argument("--trials", type=int, default=20_000, help="scored test trials to watch  [default: 20000]")
    parser.add_argument("--permutations", type=int, default=1999)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument(
        "--no-rendering", action="store_true", help="leave out the pictures themselves (needs no torch)"
    )
    told = parser.parse_args()
    if told.trials < 10 * N_TEST:
        parser.error(f"--trials: expected at least {10 * N_TEST}, got {told.trials}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")

    # What is quick comes first: an audit without teeth need not run for long.
    caught = {
        kind: _attack(f"tools.proof.leaks.leaky:create_app('{kind}')", N_TRIALS_LEAKY // N_TEST, 999)[0]
        for kind in leaky.KINDS
    }
    pictures: list[dict[str, Any]] = []
    if not told.no_rendering:
        from tools.proof.leaks import rendering

        pictures = rendering.as_json(rendering.audit(server.ROOT / "samples" / "photos", RENDERED))
    verdicts, about = _attack("study:create_app()", math.ceil(told.trials / N_TEST), told.permutations)
    result: dict[str, Any] = {
        "command": "make leaks",
        **about,
        "limits": {"auc": AUC_BAND, "p_above": P_FLOOR},
        "is_chance": all(v.is_chance for v in verdicts) and about["n_test_pictures_seen_in_practice"] == 0,
        "verdicts": [_rounded(v) for v in verdicts],
        "leaky_variants": {
            kind: {
                "is_caught": any(not v.is_chance and v.auc > AUC_BAND[1] for v in found),
                "best": _rounded(max(found, key=lambda v: v.auc)),
            }
            for kind, found in caught.items()
        },
    }
    if pictures:
        result["rendering"] = pictures
    told.out.parent.mkdir(parents=True, exist_ok=True)
    told.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    told.page.write_text(page(result), encoding="utf-8")
    is_good = result["is_chance"] and all(v["is_caught"] for v in result["leaky_variants"].values())
    print(f"{'nothing leaks' if is_good else 'SOMETHING LEAKS'}: {told.out}")
    return 0 if is_good else 1


def _attack(factory: str, n_sessions: int, n_permutations: int) -> tuple[list[Verdict], dict[str, Any]]:
    print(f"{factory}: {n_sessions} sessions over HTTP …", file=sys.stderr, flush=True)
    with (
        instance.fresh(instance.define(n_test=N_TEST)) as place,
        server.serving(place.environment, n_workers=1, factory=factory) as running,
    ):
        watched = watch(place, n_sessions, port=running.port)
    features, _, _ = table(watched)
    about = {
        "n_sessions": n_sessions,
        "n_trials": len(watched),
        "n_test_trials": len(features),
        "n_features": int(features.shape[1]),
        "n_test_pictures_seen_in_practice": n_recognised(watched),
    }
    return attack(watched, n_permutations=n_permutations), about


def _rounded(verdict: Verdict) -> dict[str, Any]:
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(verdict).items()}


def page(result: dict[str, Any]) -> str:
    """Write the page from the result."""
    rows = "\n".join(
        f"| {v['adversary']} | {v['question']} | {v['classifier']} | {v['auc']:.3f} | {v['p']:.3f} |"
        for v in result["verdicts"]
    )
    leaks = "\n".join(
        f"| {kind} | {'yes' if found['is_caught'] else 'NO'} | {found['best']['auc']:.3f} "
        f"({found['best']['classifier']}) |"
        for kind, found in result["leaky_variants"].items()
    )
    text = PAGE_TEXT.format(rows=rows, leaks=leaks, **{k: v for k, v in result.items() if isinstance(v, int)})
    if "rendering" in result:
        text += RENDERING_TEXT.format(
            rows="\n".join(
                f"| {c['condition']} | {c['intended_L_max_difference']:g} | {c['intended_L_probe_auc']:.3f} "
                f"| {c['rendered_L_probe_auc']:.3f} | {c['rendered_L_mean_difference']:.3f} "
                f"| {c['rendered_L_mean_difference_unclipped']:.3f} | {c['gamut_clipped_share']:.4f} "
                f"| {c['chroma_bandwidth_cycles']:.1f} |"
                for c in result["rendering"]
            )
        )
    return text


PAGE_TEXT = """# What an adversary learns: nothing

Written by `make leaks` (`docs/results/leaks.json` has the same numbers). {n_sessions} sessions of a real server over HTTP,
{n_trials} trials, of which {n_test_trials} were scored test trials. The adversary has everything but the decoded pixels:
addresses nibble by nibble and bit by bit, lengths, headers, times, orders, the page, the JSON, cookies, all earlier trials of
the session and what practice feedback told ({n_features} numbers for each trial). Sessions are kept whole in 5-fold
cross-validation; p is one-sided, from labels shuffled within sessions.

| adversary | question | classifier | AUC | p |
|---|---|---|---|---|
{rows}

The second adversary learns from every practice picture of every session, with what the feedback said of it, and is then shown
test trials. Test pictures whose very bytes had been in anybody's practice: {n_test_pictures_seen_in_practice}.

**The audit has teeth.** The same server with a leak put in on purpose (`tools/proof/leaks/leaky.py`), 100 sessions each:

| leak | caught | best AUC |
|---|---|---|
{leaks}

*size*: no padding; *name*: one bit of the address; *order*: fakes listed first among the pictures sent ahead; *time*: fakes
served 4 ms later.

Not covered: who decodes the pictures. Looking at pixels is what participants are asked to do, and a program in the browser can
do it too; no server can hinder that. The length of the compressed pixels inside a PNG file (before its padding) counts as
pixels here.
"""
RENDERING_TEXT = """
## What rendering equalises

The sample photographs through `colorizer.stimuli`. The intended L is what goes into the common path: the same array for
every condition of a photograph, so a linear probe on patches of it finds nothing. What the probe finds after rendering is
clipping into sRGB, which depends on the colours asked for; it belongs to the colorizer and is reported, not removed. The
bandwidth of chroma is the frequency below which 95 % of the energy of a and b lies; gray has no chroma but rounding's noise.

| condition | max intended ΔL | probe, intended L | probe, rendered L | mean ΔL rendered | of it, inside the gamut | clipped share | chroma bandwidth (cycles/picture) |
|---|---|---|---|---|---|---|---|
{rows}
"""

if __name__ == "__main__":
    raise SystemExit(main())
