"""Write a deterministic export (`truehue-export/1`, docs/formats.md) of simulated sessions.

    python tests/analysis/make_export.py tests/golden/export-1

writes the golden export again, byte for byte.  It imports nothing of the project: reader and writer are tested
against the format, not against each other.
"""

import csv
import hashlib
import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
CONDITIONS = {
    "real": ("real", "", "the photograph in its own colours"),
    "zhang2016": ("model", "zhang2016", "colours by classification over 313 ab bins"),
    "regression": ("model", "regression", "colours by regression"),
    "random": ("control", "random", "colours of another photograph"),
}
INTERCEPT = {"zhang2016": -0.9, "regression": -2.0, "random": -3.5}
TRIAL_COLUMNS = [
    "session_id",
    "participant_id",
    "study",
    "definition_sha256",
    "manifest_sha256",
    "trial_index",
    "plan_index",
    "kind",
    "control",
    "design",
    "question",
    "image_id",
    "stimulus_a",
    "stimulus_b",
    "condition_a",
    "condition_b",
    "side_of_a",
    "order_of_a",
    "response",
    "chosen_stimulus",
    "instructed_response",
    "said_real",
    "fooled",
    "correct",
    "rt_ms",
    "exposure_ms_nominal",
    "exposure_ms_achieved",
    "exposure_a_ms_achieved",
    "exposure_b_ms_achieved",
    "frames_a",
    "frames_b",
    "dropped_frames",
    "refresh_hz",
    "visible",
    "void_reason",
    "shown_at_utc",
    "answered_at_utc",
    "is_simulated",
    "block",
    "stimulus_reference",
    "staircase_level_ms",
    "mask_ms_nominal",
    "mask_frames",
    "shown_width_px",
    "shown_height_px",
    "onset_a_ms",
    "onset_b_ms",
    "page_id",
]
SESSION_COLUMNS = [
    "session_id",
    "participant_id",
    "study",
    "definition_sha256",
    "manifest_sha256",
    "arm",
    "status",
    "source",
    "is_simulated",
    "is_pilot",
    "session_seed",
    "consent_sha256",
    "consented_at_utc",
    "started_at_utc",
    "completed_at_utc",
    "n_trials_answered",
    "n_trials_void",
    "n_instructed_failed",
    "user_agent",
    "screen_width_px",
    "screen_height_px",
    "viewport_width_px",
    "viewport_height_px",
    "device_pixel_ratio",
    "refresh_hz",
    "language",
    "arm_slot",
    "slot_attempt",
]
ANSWER_COLUMNS = [
    "session_id",
    "participant_id",
    "item_id",
    "item_type",
    "question",
    "answer",
    "answered_at_utc",
]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def utc(seconds):
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def expit(x):
    return 1 / (1 + np.exp(-x))


def field(value):
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.1f}"
    return str(value)


def table(columns, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        unknown = set(row) - set(columns)
        assert not unknown, unknown
        writer.writerow([field(row.get(column)) for column in columns])
    return text.getvalue().encode()


def painted(rng, size_px):
    """Return a small picture of two colours: sky over ground."""
    sky, ground = rng.integers(40, 220, (2, 3))
    pixels = np.empty((size_px, size_px, 3), dtype=np.uint8)
    pixels[: size_px // 2], pixels[size_px // 2 :] = sky, ground
    return pixels


def make_stimuli(rng, conditions, n_test, n_control, size_px, photos=None):
    """Return the manifest's images and stimuli, and the files {path: PNG bytes}."""
    images, stimuli, files = [], [], {}
    for number in range(n_test + n_control):
        image_id = f"photo-{number:03d}"
        is_test = number < n_test
        real = painted(rng, size_px) if photos is None else photos[number]
        images.append(
            {
                "image_id": image_id,
                "source": f"{image_id}.jpg",
                "source_sha256": sha256(image_id.encode()),
                "group": f"group-{number:03d}",
                "perceptual_hash": f"{number:016x}",
                "author": f"Author {number % 5}",
                "licence": "CC-BY-4.0",
                "credit": f"https://example.org/photos/{number}",
                "mean_chroma": round(float(rng.uniform(5, 50)), 2),
            }
        )
        shown = ["real", *(c for c in conditions if (c == "random") != is_test)]
        for condition in shown:
            pixels = real.copy()
            if condition != "real":
                pixels = np.clip(
                    real.astype(int)[..., [1, 0, 2] if condition == "random" else [0, 1, 2]] + rng.integers(-25, 25, 3),
                    0,
                    255,
                ).astype(np.uint8)
            encoded = io.BytesIO()
            Image.fromarray(pixels).save(encoded, "PNG")
            stimulus_id = rng.bytes(5).hex()
            files[f"images/{stimulus_id}.png"] = encoded.getvalue()
            height_px, width_px = pixels.shape[:2]
            stimuli.append(
                {
                    "stimulus_id": stimulus_id,
                    "image_id": image_id,
                    "condition": condition,
                    "file": f"images/{stimulus_id}.png",
                    "pixels_sha256": sha256(f"{width_px}x{height_px}:RGB:".encode() + pixels.tobytes()),
                    "width_px": width_px,
                    "height_px": height_px,
                    "delta_e00_mean": None if condition == "real" else round(float(rng.uniform(2, 20)), 2),
                    "gamut_clipped_share": 0.0,
                }
            )
    return images, stimuli, files


def make_definition(n_test, n_anchor, n_instructed, n_practice, title):
    """Return the sections of a canonical definition that an analysis reads."""
    return {
        "format": "truehue-study/1",
        "protocol": {"name": "zhang2016", "source": "Zhang, Isola, Efros (2016), corrected form"},
        "study": {"title": title, "language": "en", "contact": "lab@example.org"},
        "outcome": {"measure": "fool_rate", "chance": 0.5},
        "trial": {"design": "sequential_pair", "question": "fake", "prompt": "Which?", "size_unit": "css_px"},
        "timing": {"exposure_ms": 1000, "blank_between_ms": 600},
        "practice": {"n_trials": n_practice, "feedback": True},
        "test": {"n_trials": n_test, "photos": "fixed"},
        "catch": {"n_low_anchor": n_anchor, "low_anchor_condition": "random", "n_instructed": n_instructed},
        "conditions": {"models": [], "assignment": "between"},
        "analysis": {"targets": [0.1]},
    }


def write_export(
    directory,
    *,
    seed=20261122,
    n_participants=6,
    n_incomplete=2,
    n_images=8,
    n_anchor=2,
    n_instructed=1,
    n_practice=2,
    size_px=32,
    models=("zhang2016", "regression"),
    sd_participant=0.5,
    sd_image=1.0,
    is_simulated=True,
    photos=None,
    study="golden",
    title="Golden study",
):
    """Write an export and return its directory.  Deterministic in its arguments."""
    rng = np.random.default_rng(seed)
    directory = Path(directory)
    conditions = {name: CONDITIONS[name] for name in ("real", *models, "random")}
    images, stimuli, files = make_stimuli(rng, conditions, n_images, n_anchor + n_practice, size_px, photos)
    manifest = {
        "format": "truehue-stimulus-set/1",
        "name": study,
        "settings": {"size_px": size_px, "fit": "crop", "image_format": "png", "seed": seed, "n_requested": n_images},
        "commit": "0" * 40,
        "conditions": {
            name: {
                "kind": kind,
                "model": model,
                "checkpoint_sha256": sha256(model.encode()) if kind == "model" else "",
                "settings": {"temperature": 0.38} if name == "zhang2016" else {},
                "description": description,
            }
            for name, (kind, model, description) in conditions.items()
        },
        "images": images,
        "stimuli": stimuli,
        "refused": [],
        "seen_in_training": ["photo-000"],
    }
    manifest_bytes = (json.dumps(manifest, indent=1) + "\n").encode()
    definition = make_definition(n_images, n_anchor, n_instructed, n_practice, title)
    common = {
        "study": study,
        "definition_sha256": sha256(
            json.dumps(definition, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        ),
        "manifest_sha256": sha256(manifest_bytes),
        "is_simulated": is_simulated,
    }
    stimulus_of = {(s["image_id"], s["condition"]): s["stimulus_id"] for s in stimuli}
    image_effect = rng.normal(0, sd_image, len(images))
    trials, sessions, answers = [], [], []

    for person in range(n_participants + n_incomplete):
        ids = {"session_id": rng.bytes(8).hex(), "participant_id": f"p{person:04d}"}
        effect, speed = rng.normal(0, sd_participant), rng.normal(6.6, 0.3)
        refresh_hz = float(rng.choice([60.0, 120.0]))
        plan = [("practice", None, n_images + n_anchor + i, "random") for i in range(n_practice)]
        test = [("test", None, i, models[(person + i) % len(models)]) for i in rng.permutation(n_images)]
        test += [("catch", "low_anchor", n_images + i, "random") for i in range(n_anchor)]
        test += [("catch", "instructed", n_images + n_anchor, "random") for _ in range(n_instructed)]
        plan += [test[i] for i in rng.permutation(len(test))]
        stops_after = None
        if person >= n_participants:  # of the unfinished, the first never begins and the others stop half way
            stops_after = 0 if person == n_participants else len(plan) // 2
        seconds, trial_index, answered, void, failed = person * 900.0, 0, 0, 0, 0
        for plan_index, (kind, control, image, condition) in enumerate(plan):
            if stops_after is not None and plan_index >= stops_after:
                break
            image_id = images[image]["image_id"]
            for is_void in [True, False] if rng.random() < 0.02 else [False]:
                side, order = rng.choice(["left", "right"]), rng.choice(["first", "second"])
                a, b = stimulus_of[image_id, condition], stimulus_of[image_id, "real"]
                exposures = 1000 + rng.normal(0, 3, 2) + (rng.random(2) < 0.01) * 40.0
                row = {
                    **ids,
                    **common,
                    "trial_index": trial_index,
                    "plan_index": plan_index,
                    "kind": kind,
                    "control": control,
                    "design": "sequential_pair",
                    "question": "fake",
                    "image_id": image_id,
                    "stimulus_a": a,
                    "stimulus_b": b,
                    "condition_a": condition,
                    "condition_b": "real",
                    "side_of_a": side,
                    "order_of_a": order,
                    "exposure_ms_nominal": 1000.0,
                    "refresh_hz": refresh_hz,
                    "visible": not is_void,
                    "shown_at_utc": utc(seconds),
                    "block": int(kind != "practice"),
                    "shown_width_px": float(size_px),
                    "shown_height_px": float(size_px),
                }
                if control == "instructed":
                    row["instructed_response"] = str(rng.choice(["left", "right"]))
                if is_void:
                    row["void_reason"] = "hidden"
                    void += 1
                else:
                    other = {"left": "right", "right": "left"}
                    if control == "instructed":
                        correct = rng.random() < 0.95
                        failed += not correct
                        response = row["instructed_response"] if correct else other[row["instructed_response"]]
                        fooled = None
                    else:
                        fooled = rng.random() < expit(INTERCEPT[condition] + effect + image_effect[image])
                        correct = not fooled
                        response = other[side] if fooled else side
                    rt_ms = float(np.exp(rng.normal(speed, 0.4)))
                    row |= {
                        "response": response,
                        "chosen_stimulus": a if response == side else b,
                        "said_real": b if response == side else a,
                        "fooled": fooled,
                        "correct": correct,
                        "rt_ms": rt_ms,
                        "exposure_ms_achieved": float(max(exposures, key=lambda e: abs(e - 1000))),
                        "exposure_a_ms_achieved": float(exposures[0]),
                        "exposure_b_ms_achieved": float(exposures[1]),
                        "frames_a": round(exposures[0] * refresh_hz / 1000),
                        "frames_b": round(exposures[1] * refresh_hz / 1000),
                        "dropped_frames": int((exposures > 1020).sum()),
                        "answered_at_utc": utc(seconds + 4 + rt_ms / 1000),
                    }
                    answered += 1
                trials.append(row)
                trial_index += 1
                seconds += 8
        is_complete = person < n_participants
        sessions.append(
            {
                **ids,
                **common,
                "arm": "all",
                "status": "complete" if is_complete else ("started" if stops_after == 0 else "test"),
                "source": "simulated" if is_simulated else "direct",
                "is_pilot": False,
                "session_seed": int(rng.integers(2**31)),
                "consent_sha256": sha256(b"consent"),
                "consented_at_utc": None if stops_after == 0 else utc(person * 900.0 - 60),
                "started_at_utc": utc(person * 900.0 - 90),
                "completed_at_utc": utc(seconds) if is_complete else None,
                "n_trials_answered": answered,
                "n_trials_void": void,
                "n_instructed_failed": failed,
                "user_agent": "simulation",
                "screen_width_px": 1920,
                "screen_height_px": 1080,
                "viewport_width_px": 1280,
                "viewport_height_px": 720,
                "device_pixel_ratio": 1.0,
                "refresh_hz": refresh_hz,
                "language": "en",
                "arm_slot": person,
                "slot_attempt": 0,
            }
        )
        if is_complete:
            for item, kind, question, answer in (
                ("colour-vision", "choice", "Do you have normal colour vision?", "yes"),
                ("age", "number", "How old are you?", int(rng.integers(18, 70))),
            ):
                answers.append(
                    {
                        **ids,
                        "item_id": item,
                        "item_type": kind,
                        "question": question,
                        "answer": answer,
                        "answered_at_utc": utc(seconds),
                    }
                )

    study_json = {
        "format": "truehue-export/1",
        "study": study,
        "title": title,
        "definition": definition,
        "definition_sha256": common["definition_sha256"],
        "manifest_sha256": common["manifest_sha256"],
        "study_seed": seed,
        "truehue_version": "0.1.0",
        "commit": "0" * 40,
        "exported_at_utc": utc(86400),
        "is_simulated": is_simulated,
        "simulation": None,
        "n_sessions": len(sessions),
        "n_trials": len(trials),
        "allow_seen": True,
    }
    codebook = [["table", "column", "type", "unit", "values", "description"]]
    files |= {
        "study.json": (json.dumps(study_json, indent=1) + "\n").encode(),
        "manifest.json": manifest_bytes,
        "trials.csv": table(TRIAL_COLUMNS, trials),
        "sessions.csv": table(SESSION_COLUMNS, sessions),
        "answers.csv": table(ANSWER_COLUMNS, answers),
        "codebook.csv": ("\n".join(",".join(row) for row in codebook) + "\n").encode(),
    }
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return directory


if __name__ == "__main__":
    write_export(sys.argv[1])
