"""Figures (plotly), pictures and drawings (matplotlib), sentences. One module per subject; all colours in style.py."""
