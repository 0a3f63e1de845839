"""A finished run in other formats, each run over its validation images before it gets its name."""
