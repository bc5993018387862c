"""The demonstration: its stimuli, its definition, and the command that brings it up."""
