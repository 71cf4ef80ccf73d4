"""Captions by a language model: `openai` and `recap` ask a server, `llamacpp`, `vicuna` and `recap` run a model here.

One module for each plugin (openai.py, llamacpp.py, vicuna.py, recap.py) declares it; `backends` holds the fusers, and
`client` speaks to OpenAI-compatible servers.
"""
