from .ledger import record_own as record_own, require_trust as require_trust
from .reaches import Reach as Reach, find_reaches as find_reaches
