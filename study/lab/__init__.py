"""The lab: measured displays, and the pages for a colorimeter and a photodiode."""

from study.lab.displays import DisplayError, Seat, add_display, list_displays, read_profile, seat_of
from study.lab.views import init_app

__all__ = ["DisplayError", "Seat", "add_display", "init_app", "list_displays", "read_profile", "seat_of"]
