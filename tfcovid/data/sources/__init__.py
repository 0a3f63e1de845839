"""One reader a data set; each gives the same table."""
