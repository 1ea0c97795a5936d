"""Media that lie at addresses: what one says (address.py), who answers (reached.py), copies (cache.py)."""

FETCHED_GIB = 4.0  # that copies may take on the disk of each process; a film of two hours has room
