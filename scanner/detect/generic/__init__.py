"""Secrets without a format: reading the place, asking what the value is not, and scoring what is left."""
