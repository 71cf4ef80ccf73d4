from .check import (
    Fidelity as Fidelity,
    check_caption as check_caption,
    find_contradictions as find_contradictions,
    find_language_flaw as find_language_flaw,
    spans as spans,
)
from .mentions import (
    Mention as Mention,
    find_mentions as find_mentions,
    observed_keys as observed_keys,
    value_key as value_key,
)
