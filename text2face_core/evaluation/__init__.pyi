from .eyes import Labellers as Labellers, describe_grader as describe_grader
from .grading import (
    file_hash as file_hash,
    grading_recipe as grading_recipe,
    match_rows as match_rows,
    write_list as write_list,
)
from .judging import judge_images as judge_images
from .measuring import headline as headline, measure_all as measure_all
from .pictures import read_captioned_images as read_captioned_images
from .plans import (
    plan_balanced as plan_balanced,
    plan_neutral as plan_neutral,
    plan_pairs as plan_pairs,
    plan_texts as plan_texts,
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
from .statistics import images_for_precision as images_for_precision
from .tables import (
    write_images as write_images,
    write_judgements as write_judgements,
    write_measures as write_measures,
    write_plan as write_plan,
)
