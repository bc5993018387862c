"""Where the colours of a condition come from: a network, a control, or someone else's program."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from colorizer.backends import on_backend
from colorizer.baselines import OBVIOUS_CHROMA, gray_ab, obvious_ab, random_partners
from colorizer.checkpoints import load_checkpoint
from colorizer.drawing import Drawn, Settings, StimuliError
from colorizer.externals import External, Outputs, Wanted
from colorizer.render import from_lab, predict_ab, to_lab

Predict = Callable[[Drawn, Tensor], Tensor]


def condition(
    name: str, weights: str | None, settings: Settings, drawn: list[Drawn], *, backend: str = "torch"
) -> tuple[Predict, dict[str, Any]]:
    """How a condition gets its ab from (photograph, L), and its provenance."""
    if name == "gray":
        return lambda _photo, L: gray_ab(L), _control("gray", "No colour: ab = 0.", {})
    if name == "obvious":
        told = f"The photograph's own colours with the hue turned by 180 degrees and chroma x {OBVIOUS_CHROMA:g}."
        settings_told = {"hue_degrees": 180, "chroma_factor": OBVIOUS_CHROMA}
        return lambda photo, _L: obvious_ab(photo.lab_13HW[:, 1:]), _control("obvious", told, settings_told)
    if name == "random":
        by_name = {d.file.name: d for d in drawn}
        try:
            partners = random_partners([d.file.name for d in drawn], [d.group for d in drawn], seed=settings.seed)
        except ValueError as error:
            raise StimuliError(f"{error}; add photographs or leave out --model random") from None
        told = "The colours (ab) of another photograph of the set, the low anchor of Zhang et al. 2016."
        return (
            lambda photo, _L: by_name[partners[photo.file.name]].lab_13HW[:, 1:],
            _control("random", told, {"seed": settings.seed}),
        )
    network, checkpoint = load_checkpoint(name, weights)
    model = on_backend(network, backend)
    working_px = min(model.working_px, settings.size_px)
    provenance = {
        "kind": "model",
        "model": checkpoint.name,  # says whose weights: the architecture's name alone would not
        "checkpoint_sha256": checkpoint.sha256,
        "settings": {
            "temperature": network.temperature,
            "saturation": network.saturation,
            "working_px": working_px,
            "backend": backend,
        },
        "description": f"{checkpoint.name}, weights as published"
        if checkpoint.flavour
        else f"{checkpoint.name}, retrained by Truehue ({checkpoint.results.get('photos_seen', '?')} photographs seen)",
    }
    # fp32 here: a stimulus set is rendered once and must be the same everywhere, speed comes second.
    return lambda _photo, L: predict_ab(model, L, working_px=working_px), provenance


def _control(name: str, description: str, settings: dict[str, Any]) -> dict[str, Any]:
    return _told("control", name, description, settings)


def _told(kind: str, name: str, description: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": kind,
        "model": name,
        "checkpoint_sha256": "",
        "settings": settings,
        "description": description,
    }


def wanted_of(photo: Drawn) -> Wanted:
    """What someone else's program gets of a photograph: its square without colour."""
    grey = from_lab(photo.L_B1HW, gray_ab(photo.L_B1HW)).rgb_HW3
    return Wanted(photo.file.name, photo.width_px, photo.height_px, grey)


def external_condition(external: External, outputs: Outputs, drawn: list[Drawn]) -> tuple[Predict, dict[str, Any]]:
    """The colours of collected outputs, and their provenance with how far they changed the lightness."""
    labs: Mapping[str, Tensor] = {source: to_lab(pixels) for source, pixels in outputs.squares.items()}
    changes = [float((labs[d.file.name][:, :1] - d.L_B1HW).abs().mean()) for d in drawn if d.file.name in labs]
    if external.folder is not None:
        how = {"folder": external.folder.name, "unused_outputs": outputs.unused}
        told = f"{external.name}: outputs of another program, matched by file name."
    else:
        how = {"command": external.command}
        told = f"{external.name}: another program, run on each photograph."
    settings = how | {"lightness_change_mean": round(sum(changes) / len(changes), 3) if changes else None}
    return lambda photo, _L: labs[photo.file.name][:, 1:], _told("external", external.name, told, settings)
