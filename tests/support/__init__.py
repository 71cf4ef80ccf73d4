"""Helpers of the tests: toy plugins, small files and servers."""
