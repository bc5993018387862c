"""`python -m study` and `truehue-study`: what `flask --app study` does, with Flask's own commands `run` and `shell`."""

from flask.cli import FlaskGroup

from study import create_app


def main() -> None:
    """Run a command line."""
    FlaskGroup(create_app=lambda: create_app(), help="Truehue's study server.").main(prog_name="truehue-study")


if __name__ == "__main__":
    main()
