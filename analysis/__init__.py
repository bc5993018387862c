"""Fool rates with intervals that hold, and the report that prints them.

    from analysis import fool_rate
    print(fool_rate(fooled, participant, image))

Names are loaded when they are first asked for, so that `python -m analysis --help` does not wait for pandas.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if find_spec("pandas") is None:  # the wheel alone brings the code and nothing that it needs
    raise ModuleNotFoundError(
        "analysis needs packages that are not installed; in a checkout run: pip install '.[analysis]'", name="pandas"
    )

if TYPE_CHECKING:
    from analysis.archive import ExportError
    from analysis.bootstrap import nested_bootstrap, participant_bootstrap, two_way_bootstrap
    from analysis.compare import Difference, difference, pairwise
    from analysis.estimate import FoolRate, fool_rate
    from analysis.exports import Export
    from analysis.foreign import read_table
    from analysis.hype import hype_infinity, hype_time
    from analysis.judgements import analyse_table
    from analysis.mapping import make_mapping
    from analysis.mixed.model import MixedModel, mixed_model
    from analysis.preference import BradleyTerry, bradley_terry
    from analysis.psychometric import Psychometric, psychometric_threshold
    from analysis.ratings import MeanRating, mean_rating
    from analysis.report import write_report
    from analysis.results import Results
    from analysis.sensitivity import YesNo, yes_no
    from analysis.sequential import Sequence, confidence_sequence
    from analysis.study_results import analyse
    from analysis.trials import read_export

__all__ = [
    "fool_rate",
    "FoolRate",
    "difference",
    "Difference",
    "pairwise",
    "mixed_model",
    "MixedModel",
    "participant_bootstrap",
    "two_way_bootstrap",
    "nested_bootstrap",
    "bradley_terry",
    "BradleyTerry",
    "yes_no",
    "YesNo",
    "mean_rating",
    "MeanRating",
    "hype_time",
    "hype_infinity",
    "psychometric_threshold",
    "Psychometric",
    "confidence_sequence",
    "Sequence",
    "read_export",
    "read_table",
    "make_mapping",
    "Export",
    "ExportError",
    "analyse",
    "analyse_table",
    "Results",
    "write_report",
]

_HOME = {
    "fool_rate": "estimate",
    "FoolRate": "estimate",
    "difference": "compare",
    "Difference": "compare",
    "pairwise": "compare",
    "mixed_model": "mixed.model",
    "MixedModel": "mixed.model",
    "participant_bootstrap": "bootstrap",
    "two_way_bootstrap": "bootstrap",
    "nested_bootstrap": "bootstrap",
    "bradley_terry": "preference",
    "BradleyTerry": "preference",
    "yes_no": "sensitivity",
    "YesNo": "sensitivity",
    "mean_rating": "ratings",
    "MeanRating": "ratings",
    "hype_time": "hype",
    "hype_infinity": "hype",
    "psychometric_threshold": "psychometric",
    "Psychometric": "psychometric",
    "confidence_sequence": "sequential",
    "Sequence": "sequential",
    "read_export": "trials",
    "Export": "exports",
    "ExportError": "archive",
    "analyse": "study_results",
    "analyse_table": "judgements",
    "read_table": "foreign",
    "make_mapping": "mapping",
    "Results": "results",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    """Import the module that holds a public name (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"analysis.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
