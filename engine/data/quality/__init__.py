"""What is wrong with the rows of a data file, found without a model."""
