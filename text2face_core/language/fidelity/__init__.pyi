from .check import Fidelity as Fidelity, check_caption as check_caption, spans as spans
