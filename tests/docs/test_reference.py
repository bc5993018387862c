"""The generated reference names all there is."""

import dataclasses

import analysis
from study.definition import schema
from tools.docs import reference
from tools.docs.parsers import study_commands


def test_command_lines_are_complete() -> None:
    """Every command of the three programs has its heading, every option its row."""
    study = reference.click_page()
    assert all(f"\n## {name}" in study for name in study_commands().commands if name not in ("prolific", "researcher"))
    assert "`--fool-rate TEXT`" in study
    assert "`--saturation X`" in reference.argparse_page("colorizer")
    assert "\n## report\n" in reference.argparse_page("analysis")


def test_every_key_of_a_definition_is_explained() -> None:
    """Type, limits, value and meaning of each key; none without a meaning, a value or a list of values."""
    page = reference.definition_page()
    for section in dataclasses.fields(schema.StudyDefinition):
        kind = reference._hints(schema.StudyDefinition)[section.name]
        if dataclasses.is_dataclass(kind):
            for key in dataclasses.fields(schema.Item if section.name == "questionnaire" else kind):
                assert f"| `{key.name}` | " in page
    assert "| `exposure_ms` | number, 0 to 60,000 | `1000` | *Z16*: each picture is shown for one second;" in page
    assert "| `margin` | number, or absent, 0.001 to 0.499 |  | half-width around chance" in page


def test_public_python_names_are_described() -> None:
    """Each name of `analysis.__all__` has a heading; no address of this machine is on the page."""
    page = reference.python_page("analysis", ("analysis",))
    assert all(f"### analysis.{name}\n" in page for name in analysis.__all__)
    assert str(reference.ROOT) not in page
