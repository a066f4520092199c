"""Logins to database servers: whose password it is, what it opens, and the session an owner needs to lock it."""
