"""How to speak to a model whose tokenizer has no chat template, and how to read what any model answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

ChatFormatName = Literal["vicuna"]


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """One turn of a conversation as plain text.

    layout: with {system} and {prompt}; the model goes on where it ends. stop: where its answer ends.
    """

    system: str
    layout: str
    stop: tuple[str, ...]

    def wrap(self, prompt: str, system: str = "") -> str:
        """The text to be completed; `system` instead of the format's own.

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

# What models that think first put in front of their answer, where the server leaves it in.
_THOUGHTS = re.compile(r"\A\s*<think>.*?(?:</think>|\Z)", re.DOTALL)


def answer(text: str) -> str:
    """The caption in what a model said: without its thoughts and the space around, and as valid Unicode.

    >>> answer("<think>She smiles, so</think>\\n\\n A smiling woman.\\n")
    'A smiling woman.'
    """
    return _THOUGHTS.sub("", text).strip().encode("utf-8", "replace").decode("utf-8")
