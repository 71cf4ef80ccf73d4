from .base import SourceFailed as SourceFailed
from .inference import BATCH as BATCH, Free as Free, Network as Network, network as network, session as session
from .sources import require_answer as require_answer
from .store import (
    Artifact as Artifact,
    HubFile as HubFile,
    ModelStore as ModelStore,
    NpmMember as NpmMember,
    Url as Url,
    WheelMember as WheelMember,
    human_size as human_size,
)
from .weights import load_weights as load_weights
