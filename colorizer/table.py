"""`make table`: train every small recipe and judge all of them on the same photographs, resumably.

The folder keeps everything: a run per recipe, one JSON per row.  Called again, what is done is not done again; what was
interrupted goes on.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from colorizer.checkpoints import load_checkpoint
from colorizer.evaluate import evaluate
from colorizer.recipe import Recipe, RecipeError
from colorizer.recipe_files import read_recipe
from colorizer.train import train

FORMAT = "truehue-table/1"
CONTROL_ROWS = ("real", "gray", "random")
_COLUMNS = {
    "auc_raw": ("AuC raw", 3), "auc_rebalanced": ("AuC rebalanced", 3), "psnr_db": ("PSNR, dB", 2), "ssim": ("SSIM", 3),
    "delta_e00": ("ΔE00", 2), "colourfulness_ratio": ("colourfulness / original's", 2),
}  # fmt: skip
_LEAST_STEPS = 4


def scaled(recipe: Recipe, minutes: float) -> Recipe:
    """The recipe with its steps cut to `minutes` by its own statement; never lengthened."""
    if not recipe.minutes:
        raise RecipeError(f"{recipe.name}: states no minutes; only small recipes belong into the table")
    share = min(1.0, minutes / recipe.minutes)
    steps = max(_LEAST_STEPS, round(recipe.steps * share))
    return replace(
        recipe,
        steps=steps,
        warmup_steps=min(recipe.warmup_steps, steps // 4),
        validate_every=min(recipe.validate_every, steps),
    )


def make_table(
    data: Sequence[Path | str],
    val: Sequence[Path | str],
    out: Path,
    *,
    minutes: float,
    recipes: Sequence[str],
    limit: int | None = None,
    results: Path | None = None,
    workers: int = 1,
) -> Path:
    """Train, judge, write `out`/table.json and table.md (and into `results`); returns the path of the latter.

    Ctrl-C leaves everything so that the same call goes on.  A row is judged again only if its weights changed.
    """
    planned = {name: scaled(read_recipe(name), minutes) for name in recipes}
    out.mkdir(parents=True, exist_ok=True)
    for name, recipe in planned.items():
        run = out / "runs" / name
        if (run / "model.safetensors").is_file() and not (run / "resume.pt").exists():
            _refuse_another(name, recipe, run)
            continue
        tqdm.write(f"{name}: {recipe.steps} steps")
        train(recipe, data, run, resume=(run / "resume.pt").exists(), workers=workers)
    rows: dict[str, dict[str, Any]] = {}
    for name in (*CONTROL_ROWS, *planned):
        rows[name] = _judged(name, planned.get(name), val, out, limit)
    table = {
        "format": FORMAT,
        "minutes_per_recipe": minutes,
        "trained_on": [Path(p).name for p in data],
        "judged_on": [Path(p).name for p in val],
        "rows": {name: _told(row) for name, row in rows.items()},
    }
    text = json.dumps(table, indent=1) + "\n"
    told = as_markdown(table)
    for folder in (out, results):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "table.json").write_text(text, encoding="utf-8")
            (folder / "table.md").write_text(told, encoding="utf-8")
    return (results or out) / "table.md"


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it is published: the hash of its weights, and no path of this machine."""
    key = row["key"]
    return {"weights_sha256": key["sha256"]} | {k: v for k, v in row.items() if k != "key"}


def _refuse_another(name: str, recipe: Recipe, run: Path) -> None:
    done = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
    if done["steps"] != recipe.steps:
        raise RecipeError(
            f"{run}: holds {name} with {done['steps']} steps, asked for {recipe.steps}; use the same --minutes, or "
            "another --out"
        )


def _judged(
    name: str, recipe: Recipe | None, val: Sequence[Path | str], out: Path, limit: int | None
) -> dict[str, Any]:
    """One row, from its file if that was made from the same weights and photographs."""
    path = out / "rows" / f"{name}.json"
    weights = out / "runs" / name / "model.safetensors"
    key: dict[str, Any] = {"val": [str(p) for p in val], "limit": limit, "sha256": ""}
    told: dict[str, Any] = {}
    if recipe is not None:
        checkpoint = load_checkpoint(recipe.model, weights)[1]
        key["sha256"] = checkpoint.sha256
        told = {"model": recipe.model, "steps": recipe.steps} | {
            k: checkpoint.results[k] for k in ("seconds", "photos_seen", "n_photos")
        }
    if path.is_file():
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if before.get("key") == key:
            return before
    model = name if recipe is None else recipe.model
    result = evaluate(val, [model], weights={} if recipe is None else {model: str(weights)}, limit=limit)
    row = {"key": key, **told, "n_images": result["n_images"], "interval": result["interval"]}
    row["metrics"] = result["models"][model]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")
    part.replace(path)
    return row


def as_markdown(table: dict[str, Any]) -> str:
    """The table for docs/: one row per network, means with 95 % intervals over images."""
    rows = table["rows"]
    first = next(iter(rows.values()))
    lines = [
        "# Every colorizer, equally trained",
        "",
        f"Trained on {', '.join(table['trained_on'])} by the recipes `colorizer/recipes/NAME.toml`, at most "
        f"{table['minutes_per_recipe']:g} minutes each on two CPU cores by the recipe's statement, and judged on "
        f"{first['n_images']} photographs of {', '.join(table['judged_on'])}. Mean and {first['interval']}. "
        "Minutes are the clock's, whatever else the machine did. Written by `make table`; the numbers with all digits "
        "are in table.json beside this file.",
        "",
        "| | " + " | ".join(told for told, _ in _COLUMNS.values()) + " | photographs seen | training, min |",
        "|---|" + "---|" * (len(_COLUMNS) + 2),
    ]
    for name, row in rows.items():
        cells = []
        for metric, (_, digits) in _COLUMNS.items():
            e = row["metrics"].get(metric)
            cells.append("–" if e is None or e["mean"] is None else _interval(e, digits))
        seen = f"{row['photos_seen']:,}" if "photos_seen" in row else "–"
        spent = f"{row['seconds'] / 60:.1f}" if "seconds" in row else "–"
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {seen} | {spent} |")
    return "\n".join(lines) + "\n"


def _interval(estimate: dict[str, Any], digits: int) -> str:
    mean = f"{estimate['mean']:.{digits}f}"
    if estimate["ci_low"] is None:
        return mean
    return f"{mean} [{estimate['ci_low']:.{digits}f}, {estimate['ci_high']:.{digits}f}]"
