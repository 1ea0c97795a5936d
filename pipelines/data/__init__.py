"""`summer-data`: look at corpora and stores; import and export features."""
