"""Runtime, phases, callbacks, and the record of a run."""
