from .figures import (
    AGE_BANDS as AGE_BANDS,
    Stats as Stats,
    collect_stats as collect_stats,
    read_stats as read_stats,
    to_json as to_json,
    value_in_words as value_in_words,
    write_stats as write_stats,
)
