from .atomic import (
    explain as explain,
    remove_unfinished as remove_unfinished,
    replacing as replacing,
    sync_folder as sync_folder,
    temporary_path as temporary_path,
    write_text as write_text,
)
from .deprecation import new_name as new_name, warn_renamed as warn_renamed
from .folders import replacing_folder as replacing_folder
from .hashing import fingerprint as fingerprint
from .installation import install_command as install_command
from .paths import checked_id as checked_id, path_inside as path_inside
from .resources import templates as templates
from .seeding import random_stream as random_stream, stream_seed as stream_seed
from .templating import environment as environment
