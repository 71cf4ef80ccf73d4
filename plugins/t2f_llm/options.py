"""Captions by a language model: `openai` asks a server, `llamacpp` and `vicuna` run the model here.

Three plugins in one package, one module each, because what they tell a model and how they read its answer is the same.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator

from text2face_core.contracts import Options
from text2face_core.language import Prompts, PromptTemplate


class LanguageModelOptions(Options):
    """What is asked of every language model, wherever it runs."""

    prompt: PromptTemplate = Field(
        "paper", description="what the model is told: a template's name, or the path of your own (see: t2f prompt)"
    )
    temperature: float = Field(0.7, ge=0, le=2, description="higher is more varied, lower more faithful")
    top_p: float = Field(0.95, gt=0, le=1, description="share of the probability that words are drawn from")
    max_tokens: int = Field(160, ge=1, description="length of an answer, in the model's tokens, at which it is cut off")


class ServerOptions(LanguageModelOptions):
    """How an OpenAI-compatible server is reached.

    What changes no caption is left out when a component's identity is taken (`exclude`), so that a run may go on with
    another time-out.
    """

    # What was typed could hold a password, and must not be shown with the error.
    model_config = ConfigDict(hide_input_in_errors=True)

    base_url: str = Field(
        "",
        validate_default=True,
        json_schema_extra={"reaches": "server"},
        description="the server: http://127.0.0.1:8000/v1 is vLLM here; llama.cpp has :8080/v1, Ollama :11434/v1",
    )
    model: str = Field(
        "",
        json_schema_extra={"reaches": "nothing"},
        description="the model's name there; not needed if the server has only one",
    )
    key_env: str = Field(
        "OPENAI_API_KEY",
        pattern=r"^(\w+_API_KEY)?$",  # a cloud's or a forge's secret is never sent to a server as a key
        exclude=True,
        json_schema_extra={"reaches": "variable", "allowed": ["*_API_KEY"]},
        description="environment variable with the server's API key, called …_API_KEY; most local servers need none",
    )
    send_seed: bool = Field(True, description="whether requests carry a seed; some servers refuse one")
    extra_body: dict[str, Any] = Field(
        {}, description="further fields of each request, as {top_k = 20}; a field of ours with the value '' is left out"
    )
    concurrency: int = Field(16, ge=1, le=256, exclude=True, description="requests under way at a time")
    timeout: float = Field(180.0, gt=0, exclude=True, description="seconds that one answer may take")
    retries: int = Field(
        5, ge=0, exclude=True, description="how often a request is sent again after an error of the server"
    )
    patience: float = Field(
        300.0, ge=0, exclude=True, description="seconds to wait for a server that is away before the run stops"
    )
    cache: str = Field(
        "",
        exclude=True,
        json_schema_extra={"reaches": "file", "except": ["off"]},
        description="file that keeps answers, so that nothing is asked twice; 'off' keeps none; unless given, "
        "answers/openai.sqlite (the plugin's name) in the folder of model files: $T2F_MODELS, see t2f models list",
    )

    @field_validator("extra_body")
    @classmethod
    def _not_ours(cls, fields: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(fields.keys() & {"model", "messages", "prompt", "n", "seed", "stream"}):
            raise ValueError(f"{', '.join(taken)}: not among further fields, because other options decide them")
        if keys := sorted(name for name in fields if name.lower().replace("-", "_") in {"api_key", "authorization"}):
            raise ValueError(f"{', '.join(keys)}: would be written into run.toml; key_env names where a key comes from")
        return fields

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, address: str) -> str:
        if not address:
            raise ValueError(
                "say which server to ask, as --set openai.base_url=http://127.0.0.1:8000/v1 for vLLM on this machine; "
                "llama.cpp listens at port 8080, Ollama at 11434"
            )
        parts = urlsplit(address)
        if parts.username is not None or parts.password is not None or "@" in parts.netloc:
            raise ValueError(
                "an address must hold no user name or password, because it is written into run.toml; put the key into "
                "the environment variable that key_env names"
            )
        if parts.query or parts.fragment:
            raise ValueError(
                "an address must hold no ? or #, because what follows may be a key and would be written into run.toml"
            )
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("an address begins with http:// or https:// and a host, as http://127.0.0.1:8000/v1")
        if parts.port == 0:  # reading it raises ValueError where it is no number
            raise ValueError("port 0 is no port")
        return address.rstrip("/")


def prompts(template: str) -> Prompts:
    """The template, compiled once for as long as its file stays as it is."""
    path = Path(template).expanduser()
    return _compiled(template, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=16)
def _compiled(template: str, _modified: int) -> Prompts:
    return Prompts(template)
