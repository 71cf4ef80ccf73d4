from .audits import audit as audit
from .captions import (
    caption_again as caption_again,
    caption_photos as caption_photos,
    finish_run as finish_run,
    recaption as recaption,
    run_photos as run_photos,
)
from .checks import CheckedCaption as CheckedCaption, check_captions as check_captions
from .demo import DemoResult as DemoResult, run_demo as run_demo
from .diagnosis import Diagnosis as Diagnosis, diagnose as diagnose
from .evaluation import EvaluationResult as EvaluationResult, evaluate as evaluate
from .evaluation_precision import Estimate as Estimate, estimate_precision as estimate_precision
from .exports import export as export
from .faces import (
    PortraitsResult as PortraitsResult,
    choose_renderer as choose_renderer,
    make_faces as make_faces,
    scale_image as scale_image,
)
from .images import (
    GenerationSession as GenerationSession,
    GenerationSettings as GenerationSettings,
    Sheets as Sheets,
    compare as compare,
    default_folder as default_folder,
    generate as generate,
    sweep as sweep,
)
from .planning import Plan as Plan, plan_run as plan_run
from .session import (
    Result as Result,
    Session as Session,
    Silent as Silent,
    override as override,
)
from .training import (
    choose_hardware as choose_hardware,
    choose_trainer as choose_trainer,
    default_trainer as default_trainer,
    train as train,
)
from .votes import read_votes as read_votes, write_ballot as write_ballot
