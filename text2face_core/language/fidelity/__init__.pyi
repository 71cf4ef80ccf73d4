from .check import Verdict as Verdict, check_caption as check_caption, spans as spans
