"""What only trying shows: small programs run by the Python that trains, each in its own process."""
