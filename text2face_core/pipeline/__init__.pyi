from .analysis import Analysed as Analysed, Analysis as Analysis, Decoded as Decoded
from .captioning import Captioning as Captioning, first_request as first_request
from .stage import Clock as Clock, Failure as Failure
