"""Contact sheets for labelling faces by eye, and the labels that were given; see README.md."""
