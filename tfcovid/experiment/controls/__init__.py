"""The controls of a run: fitted, asked about its images, put beside its score."""
