"""`summer-report`: stores and runs as one page to be looked at."""
