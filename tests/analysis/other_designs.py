"""The generated export, answered under another design: single pictures, preferences, staircases."""

import csv
import hashlib
import io
import json
import random

EMPTY_B = (
    "stimulus_b",
    "condition_b",
    "side_of_a",
    "order_of_a",
    "chosen_stimulus",
    "exposure_b_ms_achieved",
    "frames_b",
)


def rewrite(folder, change, *, definition=None, simulation=None, **study_fields):
    """Keep the scored trials of an export, each as `change(row, stimulus_of, dice)` makes it; counts and hashes fit."""
    manifest = json.loads((folder / "manifest.json").read_text())
    stimulus_of = {(s["image_id"], s["condition"]): s["stimulus_id"] for s in manifest["stimuli"]}
    dice = random.Random(5)
    rows = list(csv.DictReader(io.StringIO((folder / "trials.csv").read_text())))
    kept = [change(row, stimulus_of, dice) for row in rows if row["kind"] == "test" and row["response"]]
    study = json.loads((folder / "study.json").read_text())
    for section, values in (definition or {}).items():
        study["definition"][section] = {**study["definition"].get(section, {}), **values}
    canonical = json.dumps(study["definition"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    study |= {"definition_sha256": digest, "n_trials": len(kept), "simulation": simulation, **study_fields}
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "definition_sha256": digest} for row in kept)
    (folder / "trials.csv").write_text(text.getvalue())
    (folder / "study.json").write_text(json.dumps(study))
    return folder


def judged(row, is_right):
    """What a judgement of one picture implies."""
    is_fake = row["condition_a"] != "real"
    response = {True: "fake", False: "real"}[is_fake == is_right]
    said_real = row["stimulus_a"] if response == "real" else ""
    fooled = str(response == "real").lower() if is_fake else ""
    return row | {
        "response": response, "said_real": said_real, "fooled": fooled, "correct": str(is_right).lower()
    }  # fmt: skip


def one_picture(row, stimulus_of, dice):
    """Every second photograph of a person as an original."""
    row = row | {"design": "single", "question": "real_or_fake", **dict.fromkeys(EMPTY_B, "")}
    if int(row["plan_index"]) % 2:
        row |= {"condition_a": "real", "stimulus_a": stimulus_of[row["image_id"], "real"]}
    return row


def single(row, stimulus_of, dice):
    """Right on seven of ten."""
    return judged(one_picture(row, stimulus_of, dice), dice.random() < 0.7)


def staircase(row, stimulus_of, dice):
    """Looks of 50 to 800 ms, right more often with longer ones."""
    level = 50 * dice.randrange(1, 17)
    row = one_picture(row, stimulus_of, dice) | {"staircase_level_ms": str(float(level))}
    return judged(row, dice.random() < (0.55 if level < 300 else 0.95))


def preference(row, stimulus_of, dice):
    """Zhang et al. beside the regression, either way round, the former preferred by two of three."""
    names = ["zhang2016", "regression"]
    dice.shuffle(names)
    a, b = (stimulus_of[row["image_id"], name] for name in names)
    side = dice.choice(("left", "right"))
    prefers_a = (dice.random() < 2 / 3) == (names[0] == "zhang2016")
    other = {"left": "right", "right": "left"}
    return row | {
        "design": "simultaneous_pair", "question": "natural", "order_of_a": "", "side_of_a": side,
        "stimulus_a": a, "stimulus_b": b, "condition_a": names[0], "condition_b": names[1],
        "response": side if prefers_a else other[side], "chosen_stimulus": a if prefers_a else b,
        "said_real": "", "fooled": "", "correct": "",
    }  # fmt: skip
