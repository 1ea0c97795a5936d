"""`summer-train`: feature stores to a trained teacher and student."""
