"""The ways to end a secret's life, one a file, each with the functions that `interface.Hook` describes."""
