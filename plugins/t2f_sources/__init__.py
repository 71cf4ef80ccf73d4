"""Sources of photos that are not plain files: web-dataset tars, parquet tables, data sets on disk, URLs.

Each module is a plugin of its own: it lists photos in a fixed order, opens each as bytes, and says what it knows of it.
"""
