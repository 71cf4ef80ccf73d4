from .bag import (
    BagSettings as BagSettings,
    check_names as check_names,
    draw_bag as draw_bag,
    trim_bag as trim_bag,
    unknown_names as unknown_names,
)
from .english import FILTERS as FILTERS, as_sentences as as_sentences, series as series, with_article as with_article
from .prompts import Prompts as Prompts, PromptTemplate as PromptTemplate
from .shape import find_flaw as find_flaw, tidy_text as tidy_text
from .tokens import MERGES as MERGES, token_counter as token_counter
from .vocabulary import Grammar as Grammar, Vocabulary as Vocabulary
