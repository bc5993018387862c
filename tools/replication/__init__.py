"""The human study of Zhang et al. (2016), table 1, run again with simulated participants of known fool rates.

`python -m tools.replication` (`make replication`); docs/replication.md is its page.
"""
