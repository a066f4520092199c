"""Passwords that everybody writes where none belongs."""

from __future__ import annotations

DEFAULTS = frozenset(
    b"password passwd passw0rd pass pwd secret token changeit changeme letmein opensesame postgres postgresql mysql mariadb root"
    b" admin user username test testing guest redis mongo mongodb rabbitmq default docker vagrant demo example none null string"
    b" mypassword mypass userpass mysecret mysecretpassword pass123 password1 password123 secret123 test123 foobar foo bar 1234"
    b" 12345 123456".split()
)
"""In lower case."""
