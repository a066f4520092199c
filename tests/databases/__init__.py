"""Real database servers for the tests, and what is proved against them from leak to dead."""
