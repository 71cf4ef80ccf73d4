from .audit import (
    CountedError as CountedError,
    LabelledPhoto as LabelledPhoto,
    measure_audit as measure_audit,
)
from .ballot import (
    Question as Question,
    draw_questions as draw_questions,
    key_of as key_of,
    render_ballot as render_ballot,
)
from .choice import Choice as Choice, choose_model as choose_model
from .embedding import Embedded as Embedded, embed_images as embed_images
from .eyes import Labellers as Labellers, describe_grader as describe_grader
from .grading import (
    file_hash as file_hash,
    grading_recipe as grading_recipe,
    match_rows as match_rows,
    write_list as write_list,
)
from .judging import can_judge as can_judge
from .measuring import headline as headline, judge_all as judge_all, measure_all as measure_all
from .metrics.confusion import Confusion as Confusion, collect_confusions as collect_confusions
from .metrics.corrected import measure_corrected as measure_corrected
from .metrics.coverage import Coverage as Coverage, measure_coverage as measure_coverage
from .metrics.frechet import frechet_distance as frechet_distance, frechet_limit as frechet_limit
from .metrics.identity import (
    mean_pair_cosine as mean_pair_cosine,
    prompt_diversity as prompt_diversity,
    sweep_consistency as sweep_consistency,
    vendi_score as vendi_score,
)
from .metrics.kernel import (
    kernel_distance as kernel_distance,
    kernel_distance_interval as kernel_distance_interval,
)
from .metrics.memorisation import Memorisation as Memorisation, measure_memorisation as measure_memorisation
from .metrics.people import NearestPair as NearestPair, measure_people as measure_people
from .metrics.quality import measure_quality as measure_quality
from .pictures import read_captioned_images as read_captioned_images
from .plans import (
    plan_balanced as plan_balanced,
    plan_neutral as plan_neutral,
    plan_pairs as plan_pairs,
    plan_texts as plan_texts,
)
from .reading import (
    read_images as read_images,
    read_judgements as read_judgements,
    read_plan as read_plan,
)
from .records import (
    PHOTOS as PHOTOS,
    Evaluation as Evaluation,
    GradedImage as GradedImage,
    Grader as Grader,
    Judgement as Judgement,
    Measure as Measure,
    PlannedPrompt as PlannedPrompt,
)
from .report import render_report as render_report
from .statistics import (
    GraderError as GraderError,
    images_for_precision as images_for_precision,
    rogan_gladen as rogan_gladen,
)
from .tables import (
    write_images as write_images,
    write_judgements as write_judgements,
    write_measures as write_measures,
    write_plan as write_plan,
)
from .truth import Truth as Truth, read_truth as read_truth, truth_of as truth_of
from .votes import Vote as Vote, attentive as attentive, measure_votes as measure_votes
