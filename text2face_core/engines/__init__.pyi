from .analysing import AnalysisJob as AnalysisJob, AnalysisTasks as AnalysisTasks, analysis_tasks as analysis_tasks
from .base import Engine as Engine, Job as Job, Task as Task, Work as Work
from .captioning import CaptioningJob as CaptioningJob, captioning_tasks as captioning_tasks
from .local import LocalEngine as LocalEngine
from .ray import Pool as Pool, RayEngine as RayEngine
