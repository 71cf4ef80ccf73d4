"""A vision language model behind an OpenAI-compatible server; the image is sent as a data: URL."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from text2face_core.contracts import Fuser, FusionRequest
from text2face_core.errors import BadPhoto

from ..client.server import Server
from ..images import data_url, picture
from ..recap import RecapOptions, prompt_of

log = logging.getLogger(__name__)


class ServerRecap(Fuser):
    """Requests all captions of a batch concurrently; a photo is read when its request is sent."""

    def __init__(self, options: RecapOptions, folder: Path) -> None:
        self._options = options
        self._server = Server("recap", options, folder)

    def fuse(self, requests: Sequence[FusionRequest]) -> list[list[str]]:
        """`count` texts for each request; none for a photo that can no longer be read.

        Raises FuserError if the server answers no request.
        """
        readable = {request.uri: _is_there(request.uri) for request in requests}
        asked = [request for request in requests if readable[request.uri]]
        texts = iter(self._server.ask(asked, self._body))
        return [next(texts) if readable[request.uri] else [] for request in requests]

    def _body(self, request: FusionRequest) -> dict[str, Any]:
        options = self._options
        shown = data_url(picture(request.uri, options.max_side), options.quality)
        content = [
            {"type": "image_url", "image_url": {"url": shown}},
            {"type": "text", "text": prompt_of(options, request)},
        ]
        return {"messages": [{"role": "user", "content": content}]}


def _is_there(uri: str) -> bool:
    try:
        picture(uri, 32)
    except BadPhoto as error:
        log.warning("%s gets no caption: %s", uri, error)
        return False
    return True
