"""Is everything ready for the first participant? Checked from outside, each line with its remedy."""

from study.preflight.checks import Line, Pay, preflight

__all__ = ["Line", "Pay", "preflight"]
