"""Train the network of t2f_people on FairFace; see README.md."""
