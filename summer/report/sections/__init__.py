"""What a report is made of, one subject a file.

Of stores coverage, statuses, measures, drift; of runs scores and training.
"""
