"""A study's data for others: a Psych-DS dataset, Parquet tables, and the check that a bundle can be made again."""

from study.dataout.bundle import FORMATS, write_bundle
from study.dataout.errors import DatasetError
from study.dataout.psychds_rules import Issue, check_dataset
from study.dataout.reproduce import Difference, reproduce

__all__ = ["FORMATS", "DatasetError", "Difference", "Issue", "check_dataset", "reproduce", "write_bundle"]
