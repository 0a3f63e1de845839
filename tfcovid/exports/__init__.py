"""The trained classifier in the formats of other runtimes, and what each says beside the first."""
