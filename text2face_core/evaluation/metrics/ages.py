"""Ages: signed and absolute years between the stated and the observed age, by the form in which the age is stated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..records import Evaluation, Measure
from ..statistics import bootstrap_mean


def measure_ages(evaluation: Evaluation) -> list[Measure]:
    """Per model, eyes and form: mean signed error (too old is positive), mean absolute error; 0 inside a range."""
    measures = []
    judged = [one for one in evaluation.judgements if one.off is not None and one.states]
    for model in evaluation.models:
        for eyes in sorted({one.eyes for one in judged}):
            mine = [one for one in judged if one.model == model and one.eyes == eyes]
            for form in ("", *sorted({one.form for one in mine})):
                off = np.array([one.off for one in mine if not form or one.form == form], np.float64)
                if not len(off):
                    continue
                for name, values, better in (("age error", off, "nearer"), ("absolute age error", abs(off), "lower")):
                    found = bootstrap_mean(values)
                    about = Measure(name, found.value, found.low, found.high, len(off), model, "age", form, eyes)
                    note = f"ages stated as a {form}" if form else "all forms"
                    measures.append(replace(about, better=better, unit="years", note=note))
    return measures
