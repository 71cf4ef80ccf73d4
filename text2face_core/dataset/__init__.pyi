from .crops import (
    USAGE as USAGE,
    DatasetSettings as DatasetSettings,
    has_content as has_content,
    metadata_line as metadata_line,
    save_crop as save_crop,
    write_metadata as write_metadata,
)
from .export import ExportSettings as ExportSettings, export_dataset as export_dataset
