"""Options shared by several language-model plugins: prompt, sampling, and the connection to a server."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator

from text2face_core.contracts import Options
from text2face_core.language import Prompts, PromptTemplate

CONNECT_SECONDS = 5.0


class LanguageModelOptions(Options):
    """Options of every language model: prompt and sampling."""

    prompt: PromptTemplate = Field(
        "paper", description="prompt template: its name, or the path of your own (see: t2f prompt)"
    )
    temperature: float = Field(
        0.7, ge=0, le=2, description="sampling temperature: higher is more varied, lower more faithful"
    )
    top_p: float = Field(
        0.95, gt=0, le=1, description="nucleus sampling: share of the probability that tokens are sampled from"
    )
    max_tokens: int = Field(160, ge=1, description="length limit of an answer, in the model's tokens")


class ServerOptions(LanguageModelOptions):
    """Connection to an OpenAI-compatible server.

    Options that change no caption are not part of a component's identity (`exclude`), so that a run can be resumed
    with another time-out.
    """

    # The input may contain a password, and must not be shown with the error.
    model_config = ConfigDict(hide_input_in_errors=True)

    base_url: str = Field(
        "",
        validate_default=True,
        json_schema_extra={"reaches": "server"},
        description="address of the server: http://127.0.0.1:8000/v1 for vLLM on this machine; llama.cpp has :8080/v1, "
        "Ollama :11434/v1",
    )
    model: str = Field(
        "",
        json_schema_extra={"reaches": "nothing"},
        description="name of the model on the server; not needed if the server has a single model",
    )
    key_env: str = Field(
        "OPENAI_API_KEY",
        pattern=r"^(\w+_API_KEY)?$",  # so that no other secret, such as a cloud's, is ever sent to a server as a key
        exclude=True,
        json_schema_extra={"reaches": "variable", "allowed": ["*_API_KEY"]},
        description="environment variable with the server's API key, named …_API_KEY; most local servers need none",
    )
    send_seed: bool = Field(True, description="whether requests carry a seed; some servers reject it")
    extra_body: dict[str, Any] = Field(
        {}, description="further fields of each request, such as {top_k = 20}; the value '' removes a standard field"
    )
    concurrency: int = Field(16, ge=1, le=256, exclude=True, description="concurrent requests")
    timeout: float = Field(180.0, gt=0, exclude=True, description="time-out of an answer, in seconds")
    retries: int = Field(5, ge=0, exclude=True, description="retries of a request after a server error")
    patience: float = Field(
        300.0, ge=0, exclude=True, description="seconds to wait for an unreachable server before the run stops"
    )
    cache: str = Field(
        "",
        exclude=True,
        json_schema_extra={"reaches": "file", "except": ["off"]},
        description="cache file of answers; 'off' disables it; by default "
        "answers/openai.sqlite (the plugin's name) in the folder of model files: $T2F_MODELS, see t2f models list",
    )

    @field_validator("extra_body")
    @classmethod
    def _not_ours(cls, fields: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(fields.keys() & {"model", "messages", "prompt", "n", "seed", "stream"}):
            raise ValueError(f"{', '.join(taken)}: other options set these fields, so they cannot be further fields")
        if keys := sorted(name for name in fields if name.lower().replace("-", "_") in {"api_key", "authorization"}):
            raise ValueError(
                f"{', '.join(keys)}: would be written to run.toml; key_env names the variable with the key"
            )
        return fields

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, address: str) -> str:
        if not address:
            raise ValueError(
                "set the server's address, for example --set openai.base_url=http://127.0.0.1:8000/v1 for vLLM on this "
                "machine; llama.cpp listens on port 8080, Ollama on 11434"
            )
        parts = urlsplit(address)
        if parts.username is not None or parts.password is not None or "@" in parts.netloc:
            raise ValueError(
                "an address must not contain a user name or password, because it is written to run.toml; put the key "
                "into the environment variable that key_env names"
            )
        if parts.query or parts.fragment:
            raise ValueError(
                "an address must not contain ? or #, because what follows may be a key and would be written to run.toml"
            )
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("an address must begin with http:// or https:// and a host, as http://127.0.0.1:8000/v1")
        if parts.port == 0:  # reading it raises ValueError if it is not a number
            raise ValueError("port 0 is not a valid port")
        return address.rstrip("/")


def unreachable(name: str, options: ServerOptions) -> str:
    """Why the server cannot be connected to, and what to do; empty if it can. Sends nothing.

    name: the plugin whose options these are. During a run, a server may take up to `patience` to start; but a server
    that cannot be connected to when a run begins is usually not running at all.
    """
    import socket
    import urllib.request

    parts = urlsplit(options.base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if parts.scheme == "https" and urllib.request.getproxies():
        return ""  # a proxy may reach addresses that this machine cannot
    try:
        socket.create_connection((parts.hostname or "", port), timeout=min(options.timeout, CONNECT_SECONDS)).close()
    except OSError as error:
        reason = error.strerror or str(error)
        return f"the server at {options.base_url} ({name}.base_url): {reason}. Start it, or set another address"
    return ""


def prompts(template: str) -> Prompts:
    """The template, compiled once as long as its file is unchanged."""
    path = Path(template).expanduser()
    return _compiled(template, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=16)
def _compiled(template: str, _modified: int) -> Prompts:
    return Prompts(template)
