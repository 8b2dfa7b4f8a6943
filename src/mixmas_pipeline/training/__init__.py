"""How architectures are trained, scored and compared."""
