"""Tables that are larger than memory."""

from __future__ import annotations


# --- size ---------------------------------------------------------------------------------------------------------
