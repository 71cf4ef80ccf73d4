"""Who calls the pipeline for which chunk."""
