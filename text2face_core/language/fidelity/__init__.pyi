from .check import (
    Fidelity as Fidelity,
    check_caption as check_caption,
    find_contradictions as find_contradictions,
    find_language_flaw as find_language_flaw,
    spans as spans,
)
