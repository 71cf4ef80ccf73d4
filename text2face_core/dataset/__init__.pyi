from .crops import DatasetSettings as DatasetSettings, save_crop as save_crop
from .export import (
    FORMATS as FORMATS,
    ExportFormat as ExportFormat,
    ExportSettings as ExportSettings,
    export_dataset as export_dataset,
)
from .formats.imagefolder import write_metadata as write_metadata
from .images import ImageRef as ImageRef
from .importing import Imported as Imported, import_captions as import_captions
from .latents import (
    Latent as Latent,
    read_latent as read_latent,
    read_portrait_record as read_portrait_record,
    write_portrait as write_portrait,
)
from .open import open_dataset as open_dataset
from .readable import (
    check_some as check_some,
    find_readable as find_readable,
    name_skipped as name_skipped,
    skipped_path as skipped_path,
)
