"""Write a deterministic export (`truehue-export/1`, docs/formats.md) of simulated sessions.

    python tests/analysis/make_export.py tests/golden/export-1

writes the golden export again, byte for byte.  It imports nothing of the project: reader and writer are tested
against the format, not against each other.
"""

import json
import sys
from pathlib import Path

import numpy as np
from export_pictures import CONDITIONS, make_stimuli, sha256
from export_sessions import Study, utc
from export_tables import ANSWER_COLUMNS, SESSION_COLUMNS, TRIAL_COLUMNS, table


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
    people = Study(
        rng=rng,
        common=common,
        models=models,
        image_ids=[image["image_id"] for image in images],
        image_effect=rng.normal(0, sd_image, len(images)),
        stimulus_of={(s["image_id"], s["condition"]): s["stimulus_id"] for s in stimuli},
        n_images=n_images,
        n_anchor=n_anchor,
        n_instructed=n_instructed,
        n_practice=n_practice,
        size_px=size_px,
        sd_participant=sd_participant,
    )
    for person in range(n_participants + n_incomplete):  # of the unfinished, the first never begins
        people.add(person, is_complete=person < n_participants, begins=person != n_participants)

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
        "n_sessions": len(people.sessions),
        "n_trials": len(people.trials),
        "allow_seen": True,
    }
    codebook = [["table", "column", "type", "unit", "values", "description"]]
    files |= {
        "study.json": (json.dumps(study_json, indent=1) + "\n").encode(),
        "manifest.json": manifest_bytes,
        "trials.csv": table(TRIAL_COLUMNS, people.trials),
        "sessions.csv": table(SESSION_COLUMNS, people.sessions),
        "answers.csv": table(ANSWER_COLUMNS, people.answers),
        "codebook.csv": ("\n".join(",".join(row) for row in codebook) + "\n").encode(),
    }
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return directory


if __name__ == "__main__":
    write_export(sys.argv[1])
