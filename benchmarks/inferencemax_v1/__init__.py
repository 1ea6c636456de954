"""docs/inferencemax-v1.md: the claims of the InferenceMAX v1 announcement beside its matrix, simulated."""
