"""deadkey: find leaked tokens, ask whether they are live, and kill the live ones."""
