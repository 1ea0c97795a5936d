"""`summer-extract`: raw media to feature stores."""
