"""Concurrent, rate-limited, cached client for OpenAI-compatible servers."""
