"""Chat formats for models whose tokenizer has no chat template, and cleaning of any model's answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

ChatFormatName = Literal["vicuna"]


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """A single-turn conversation as plain text.

    layout: text with {system} and {prompt}, which the model continues. stop: marks the end of the answer.
    """

    system: str
    layout: str
    stop: tuple[str, ...]

    def wrap(self, prompt: str, system: str = "") -> str:
        """The text to complete; `system` replaces the format's own system message.

        >>> FORMATS["vicuna"].wrap("Hello.", system="Be brief.")
        'Be brief. USER: Hello. ASSISTANT:'
        """
        return self.layout.format(system=system or self.system, prompt=prompt)


# vicuna_v1.1 of FastChat (conversation.py), for lmsys/vicuna-*-v1.5. Nothing follows "ASSISTANT:", and the tokenizer
# puts <s> in front.
FORMATS: dict[ChatFormatName, ChatFormat] = {
    "vicuna": ChatFormat(
        "A chat between a curious user and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the user's questions.",
        "{system} USER: {prompt} ASSISTANT:",
        ("</s>", "USER:"),
    )
}

# The thoughts that reasoning models put before their answer, if the server does not remove them.
_THOUGHTS = re.compile(r"\A\s*<think>.*?(?:</think>|\Z)", re.DOTALL)


def answer(text: str) -> str:
    """The caption in a model's output, without thoughts and surrounding white space, as valid Unicode.

    >>> answer("<think>She smiles, so</think>\\n\\n A smiling woman.\\n")
    'A smiling woman.'
    """
    return _THOUGHTS.sub("", text).strip().encode("utf-8", "replace").decode("utf-8")
