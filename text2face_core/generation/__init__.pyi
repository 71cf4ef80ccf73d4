from .generate import (
    GenerationResult as GenerationResult,
    ImageSpec as ImageSpec,
    generate_images as generate_images,
    plan_images as plan_images,
    warn_of_unread as warn_of_unread,
)
from .grids import grid as grid, open_font as open_font, pairs as pairs, save as save
from .prompts import read_prompts as read_prompts
from .sweep import cells_of as cells_of, pages as pages, parse_values as parse_values
