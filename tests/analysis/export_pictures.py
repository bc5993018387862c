"""A stimulus set of small pictures: its conditions, the manifest's images and stimuli, and the files."""

import hashlib
import io

import numpy as np
from PIL import Image

CONDITIONS = {
    "real": ("real", "", "the photograph in its own colours"),
    "zhang2016": ("model", "zhang2016", "colours by classification over 313 ab bins"),
    "regression": ("model", "regression", "colours by regression"),
    "random": ("control", "random", "colours of another photograph"),
}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


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
