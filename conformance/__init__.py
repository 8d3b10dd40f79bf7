"""The conformance suite: what the library promises, against answers to 50 digits."""
