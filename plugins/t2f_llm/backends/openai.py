"""The request body of a caption; `client.server` sends it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from text2face_core.contracts import Fuser, FusionRequest

from ..client.server import Server
from ..formats import FORMATS
from ..openai import OpenAIOptions, prompt_of
from ..options import prompts


class OpenAIFuser(Fuser):
    """Requests all captions of a batch concurrently."""

    def __init__(self, options: OpenAIOptions, folder: Path) -> None:
        self._options = options
        path = "completions" if options.api == "completions" else "chat/completions"
        self._server = Server("openai", options, folder, path)

    def fuse(self, requests: Sequence[FusionRequest]) -> list[list[str]]:
        """`count` texts for each request; fewer, down to none, if the server refused to answer.

        Raises FuserError if the server answers no request.
        """
        return self._server.ask(requests, self._body)

    def _body(self, request: FusionRequest) -> dict[str, Any]:
        options = self._options
        if options.api == "completions":
            stop = {"stop": list(FORMATS[options.chat_format].stop)} if options.chat_format else {}
            return {"prompt": prompt_of(options, request), **stop}
        system = [{"role": "system", "content": options.system}] if options.system else []
        prompt = prompts(options.prompt).render(request)
        return {"messages": [*system, {"role": "user", "content": prompt}]}
