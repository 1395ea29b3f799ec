"""What can be told from the payment alone: called for training rows and by the server, one row at a time."""

import math
from datetime import datetime


def night(paid_at: datetime) -> bool:
    """Whether the payment was made between midnight and six."""
    return paid_at.hour < 6


def log_amount(amount: float) -> float:
    """The amount on the scale on which amounts are compared: twice as much is as far as half as much."""
    return math.log(amount)
