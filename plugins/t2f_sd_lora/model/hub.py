"""Find out whether files of the Hugging Face hub can be downloaded."""

from text2face_core.models import SourceFailed, require_answer


def find_obstacle(*, offline: bool) -> str | None:
    """The reason why only files that were downloaded before can be used; None if the hub answers.

    The hub's library would retry for most of a minute before it fails.
    """
    from huggingface_hub import constants

    if offline or constants.HF_HUB_OFFLINE:
        return "it is not on this machine, and nothing is downloaded (offline)"
    try:
        require_answer(constants.ENDPOINT)
    except SourceFailed as error:
        return f"it is not on this machine, and {error}"
    return None
