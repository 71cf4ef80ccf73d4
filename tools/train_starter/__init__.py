"""Training of the starter network: faces, labels, training, calibration, export (see README.md)."""
