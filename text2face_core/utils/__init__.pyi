from .atomic import (
    explain as explain,
    remove_unfinished as remove_unfinished,
    replacing as replacing,
    sync_folder as sync_folder,
    temporary_path as temporary_path,
    write_text as write_text,
)
from .bounded import BoundedEnvironment as BoundedEnvironment, render_bounded as render_bounded
from .deprecation import new_name as new_name, warn_renamed as warn_renamed
from .display import on_one_line as on_one_line, printable as printable, quoted as quoted
from .folders import replacing_folder as replacing_folder
from .hardware import check_device as check_device, default_threads as default_threads, usable_cores as usable_cores
from .hashing import content_digest as content_digest, fingerprint as fingerprint, photo_id_of as photo_id_of
from .installation import install_command as install_command
from .parsing import parse_json as parse_json, parse_toml as parse_toml
from .paths import checked_id as checked_id, path_inside as path_inside
from .regular import read_regular as read_regular
from .requirements import (
    Installed as Installed,
    declared as declared,
    extras_that_cover as extras_that_cover,
    missing_packages as missing_packages,
)
from .resources import templates as templates
from .seeding import random_stream as random_stream, stream_seed as stream_seed
from .suggestions import did_you_mean as did_you_mean, explain_validation as explain_validation
from .templating import environment as environment
