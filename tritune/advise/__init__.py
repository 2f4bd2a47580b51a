"""How much labelled data the three methods need: their learning curves, and what more labels would bring."""
