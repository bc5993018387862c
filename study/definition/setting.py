"""Where and on what a study is taken: the device, what is checked before the trials, and the lab."""

from dataclasses import dataclass

from study.definition.fields import one_of, some_of, within

CHECKS = ("vision", "plates", "display", "night_light")
ACTIONS = ("record", "warn", "exclude")
GAMUTS = ("any", "srgb", "p3", "rec2020")


@dataclass(frozen=True, slots=True)
class Device:
    """On what the study may be taken."""

    phones: str = one_of("allowed", "refused")
    min_viewport_width_px: int = within(0, 10_000)
    min_viewport_height_px: int = within(0, 10_000)
    touch: str = one_of("allowed", "refused", default="allowed")
    """Refused: a device without a mouse or trackpad is not suited."""
    full_screen: bool = False
    """The trials are shown in full screen, where the browser can do it."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What is checked before the trials. What fails is recorded unless the study says `warn` or `exclude`."""

    checks: tuple[str, ...] = some_of(*CHECKS)
    vision: str = one_of(*ACTIONS, default="record")
    plates: str = one_of(*ACTIONS, default="record")
    display: str = one_of(*ACTIONS, default="record")
    night_light: str = one_of(*ACTIONS, default="record")
    n_plates: int = within(3, 30, default=6)
    """Beside the one that everybody can read; equally many of protan, deutan and tritan lines."""
    min_plates_share: float = within(0, 1, default=0.8)
    min_screen_width_px: int = within(0, 10_000, default=0)
    min_screen_height_px: int = within(0, 10_000, default=0)
    min_colour_depth: int = within(0, 48, default=24)
    gamut: str = one_of(*GAMUTS, default="srgb")
    dynamic_range: str = one_of("any", "standard", "high", default="any")

    def action(self, kind: str) -> str:
        """Say what follows when a check of a kind fails."""
        return str(getattr(self, kind)) if kind in CHECKS else "record"

    @property
    def has_page(self) -> bool:
        """Whether something is asked before the instructions; what is only recorded is measured with the trials."""
        return any(kind != "display" or self.display != "record" for kind in self.checks)


@dataclass(frozen=True, slots=True)
class Lab:
    """What holds at a seat in the lab."""

    profile: str = one_of("record", "warn", "refuse", default="record")
    """What happens where a seat's display profile is missing or too old."""
    max_age_days: int = within(1, 36_500, default=365)
    photodiode: bool = False
    """A corner of the page is white while a picture is open, for a photodiode."""
    return_after_s: int = within(0, 3600, default=0)
    """The last page goes back to the first when nobody touched anything for so long; 0: by hand only."""
