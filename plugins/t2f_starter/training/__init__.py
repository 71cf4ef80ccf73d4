"""How the starter's network was made: faces, labels, training, calibration, export, evaluation (see README.md)."""
