"""A recipe that cannot be run is refused by its key, before any photograph is read."""

from pathlib import Path
from typing import Any

import pytest

from colorizer import recipe_files
from colorizer.recipe import RecipeError
from colorizer.recipe_files import read_recipe, small_recipe


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("steps", 1.5, "steps: expected a whole number, got 1.5"),
        ("steps", True, "steps: expected a number, got True"),
        ("learning_rate", "fast", "learning_rate: expected a number, got 'fast'"),
        ("bf16", 1, "bf16: expected true or false, got 1"),
        ("prior", 5, "prior: expected text, got 5"),
        ("arguments", 5, "arguments: expected a table of arguments, got 5"),
        ("objective_arguments", [1], r"objective_arguments: expected a table of arguments, got \[1\]"),
        ("optimizer", "sgd", "optimizer: expected one of adam, adamw, rmsprop, got 'sgd'"),
        ("betas", 0.9, "betas: expected two numbers, got 0.9"),
        ("betas", [0.9, 0.99, 0.999], "betas: expected two numbers, got"),
        ("betas", "09", "betas: expected two numbers, got '09'"),
        ("milestones", [10, 20], r"milestones: expected \[\[step, factor\], …\], got"),
        ("mix", [1, True], "mix: expected positive numbers, one for each source of --data, got"),
        ("mix", "ab", "mix: expected positive numbers, one for each source of --data, got 'ab'"),
        ("batch", 0, "batch: expected at least 1, got 0"),
        ("accumulate", 7, r"batch: expected a multiple of accumulate \(7\), got"),
        ("holdout_share", 1.0, "holdout_share: expected a share below 1, got 1.0"),
        ("schedule", "steps", r"milestones: expected \[\[step, factor\], …\] for the schedule `steps`, got none"),
        ("objective_arguments", {"x": 1}, "objective_arguments: expected none, got x"),
    ],
)  # fmt: skip
def test_what_no_run_can_do_is_refused_by_its_key(key: str, value: Any, message: str) -> None:
    """What was expected, what came; never a TypeError of the code behind."""
    with pytest.raises(RecipeError, match=message):
        read_recipe("truehue-lite", {"schedule": "constant", "objective": ""} | {key: value})


def test_lists_become_what_the_recipe_holds() -> None:
    """TOML's lists are tuples of numbers in the recipe; one share may stand alone."""
    recipe = read_recipe("truehue-lite", {"betas": [0, 0.5], "milestones": [[10, 1]], "mix": 2})
    assert (recipe.betas, recipe.milestones, recipe.mix) == ((0.0, 0.5), ((10, 1.0),), (2.0,))


def test_the_quickest_shipped_recipe_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that state their minutes come first; a model that no recipe trains says so."""
    assert read_recipe(small_recipe("zhang2016")).minutes > 0
    monkeypatch.setattr(recipe_files, "shipped_recipes", lambda: ["truehue-lite"])
    with pytest.raises(RecipeError, match="zhang2016: no shipped recipe trains it; write one"):
        small_recipe("zhang2016")


def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path) -> None:
    """Not TOML, and not even text."""
    for content in (b"steps = \n", b"\xff\xfe"):
        (tmp_path / "mine.toml").write_bytes(content)
        with pytest.raises(RecipeError, match=r"mine\.toml: not valid TOML"):
            read_recipe(str(tmp_path / "mine.toml"))
