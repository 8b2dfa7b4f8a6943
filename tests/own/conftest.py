"""Makes the modules of this folder importable by name."""
