"""Arrays larger than memory, and encoders."""

from __future__ import annotations


# --- arrays larger than memory ------------------------------------------------------------------------------------


# --- encoders -----------------------------------------------------------------------------------------------------
