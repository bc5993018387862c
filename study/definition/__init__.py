"""What a study is: a TOML file, a preset it builds on, and a canonical form with a SHA-256.

The keys and their sources stand in `protocols/zhang2016.toml`. Every key of a definition exists in the dataclasses of
`schema`; an unknown one is an error that names its line and the nearest key that exists.
"""

from study.definition.deviations import Deviation, deviations, exported_deviations
from study.definition.errors import DefinitionError
from study.definition.reading import (
    DEFAULT_PRESET,
    from_canonical,
    load_preset,
    parse_definition,
    presets,
    read_definition,
)
from study.definition.schema import FORMAT, Item, Option, StudyDefinition

__all__ = [
    "DEFAULT_PRESET",
    "FORMAT",
    "DefinitionError",
    "Deviation",
    "Item",
    "Option",
    "StudyDefinition",
    "deviations",
    "exported_deviations",
    "from_canonical",
    "load_preset",
    "parse_definition",
    "presets",
    "read_definition",
]
