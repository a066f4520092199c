"""Ends the life of secrets that were found live: the policy, the hooks, and the journal that is written around them.

`execute.revoke` is the way in.
"""
