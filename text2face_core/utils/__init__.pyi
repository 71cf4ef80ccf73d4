from .atomic import (
    explain as explain,
    remove_unfinished as remove_unfinished,
    replacing as replacing,
    sync_folder as sync_folder,
    write_text as write_text,
)
from .hashing import fingerprint as fingerprint
from .resources import templates as templates
from .seeding import random_stream as random_stream, stream_seed as stream_seed
from .templating import environment as environment
