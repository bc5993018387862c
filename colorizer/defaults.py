"""What the command line offers by default and no heavy import must be paid for."""

DEFAULT_MODEL = "truehue-lite"
HINT_COUNTS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)
# The rows of `make table`, each at most 15 minutes of training on two cores.
TABLE_RECIPES = (
    "wallner-alpha",
    "wallner-beta",
    "zhang2016-l2-small",
    "zhang2016-class-small",
    "zhang2016-small",
    "siggraph17-small",
    "pix2pix-small",
    "truehue-lite-small",
)
