from .cards import (
    METRICS as METRICS,
    card_template as card_template,
    escape_line as escape_line,
    short_number as short_number,
)
from .checkpoints import Checkpoint as Checkpoint, Checkpoints as Checkpoints, pack as pack, unpack as unpack
from .contact_sheet import (
    SHEET as SHEET,
    draw_contact_sheet as draw_contact_sheet,
    sample_folder as sample_folder,
    sample_name as sample_name,
)
from .context import (
    SilentProgress as SilentProgress,
    SingleProcess as SingleProcess,
    TrainingContext as TrainingContext,
    Workers as Workers,
    lock_out as lock_out,
)
from .held_out import LEAST_SHARE as LEAST_SHARE, split_held_out as split_held_out
from .hub import upload as upload
from .loader import Batch as Batch, BatchLoader as BatchLoader, prefetch_batches as prefetch_batches
from .loop import Loop as Loop, Trainable as Trainable, TrainingSamples as TrainingSamples
from .metrics import (
    MetricsLog as MetricsLog,
    ThroughputMeter as ThroughputMeter,
    format_duration as format_duration,
    read_metric as read_metric,
    summarize_metrics as summarize_metrics,
)
from .optimizer import (
    GroupedOptimizer as GroupedOptimizer,
    ParameterGroup as ParameterGroup,
    WeightAverage as WeightAverage,
    averaged_weights as averaged_weights,
    rate_factor as rate_factor,
)
from .options import TrainingOptions as TrainingOptions
from .randomness import (
    Indices as Indices,
    SampleRandom as SampleRandom,
    choose_held_out as choose_held_out,
    shuffle_epoch as shuffle_epoch,
)
from .resume import prepare_out as prepare_out
from .sampler import SampleRef as SampleRef, sample_steps as sample_steps
from .settings import (
    SETTINGS as SETTINGS,
    SettingsRules as SettingsRules,
    compare_settings as compare_settings,
    decisive_settings as decisive_settings,
    describe_dataset as describe_dataset,
    read_settings as read_settings,
    write_settings as write_settings,
)
from .signals import StopRequest as StopRequest, catch_signals as catch_signals
