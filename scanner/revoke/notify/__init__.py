"""Tells people's tools what a run came to. `send.notify` is the way in; `forms` is what each tool accepts."""
