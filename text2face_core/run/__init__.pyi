from .changes import Changes as Changes
from .corrections import PERSON as PERSON, Corrections as Corrections
from .crashes import (
    Suspect as Suspect,
    Watch as Watch,
    find_suspects as find_suspects,
    forget_suspects as forget_suspects,
    note_death as note_death,
)
from .directory import RunDirectory as RunDirectory
from .repair import repair_run as repair_run
from .tables import (
    bag_to_json as bag_to_json,
    columns_of as columns_of,
    read_analysis as read_analysis,
    read_captions as read_captions,
    read_columns as read_columns,
    write_rows as write_rows,
)
from .timing import Speed as Speed, read_speed as read_speed, write_speed as write_speed
from .wording import Wording as Wording
