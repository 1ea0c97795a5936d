"""`summer-predict`: the emotions of one's own recording, by a run that was trained before."""
