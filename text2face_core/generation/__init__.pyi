from .generate import (
    GenerationResult as GenerationResult,
    ImageSpec as ImageSpec,
    generate_images as generate_images,
    image_seed as image_seed,
    plan_images as plan_images,
    warn_of_unread as warn_of_unread,
)
from .grids import make_grid as make_grid, make_pairs as make_pairs, open_font as open_font, save_sheet as save_sheet
from .prompts import Prompt as Prompt, read_prompts as read_prompts
from .sweep import Page as Page, parse_values as parse_values, plan_cells as plan_cells, plan_pages as plan_pages
