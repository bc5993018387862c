"""Other tools' result files, turned into long tables with a mapping beside them."""
