"""Rows written to files: the layout of a record, the container it stands in, other tools' lists."""
