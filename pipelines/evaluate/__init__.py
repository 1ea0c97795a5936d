"""`summer-evaluate`: the scores of a run, or the comparison of two."""
