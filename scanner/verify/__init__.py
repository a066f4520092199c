"""Is a secret live, whose is it and what may it do: asks the issuer, and nobody else.

`live.verify` is the way in. Nothing here imports requests, Jinja2 or JMESPath until a question is asked.
"""
