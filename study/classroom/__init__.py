"""A class takes the test together: `make class`, phones in the local network, and a page for the projector."""

from study.classroom.command import class_
from study.classroom.views import init_app

__all__ = ["class_", "init_app"]
