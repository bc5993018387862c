"""The documentation: its pages, the commands on them, what is generated, and the site."""
