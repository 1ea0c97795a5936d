"""`summer-tune`: the face network, tuned on people or on emotions."""
