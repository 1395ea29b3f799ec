"""The training pipeline's steps by name, for whoever speaks of them without loading the pipeline."""

STEPS = (
    "ingest-data", "validate-data", "clean-data", "standardize-data", "curate-data", "extract-features", "select-features",
    "identify-candidates", "check-code", "train-model", "validate-model", "evaluate-models", "tune-models", "choose-model",
    "package-model", "register-model", "containerize-model",
)  # fmt: skip
"""All steps, in order; the last is for targets with an image registry. What follows which: pipelines.training."""

REGISTER, CONTAINERIZE = STEPS[-2:]

SERVER = "server"
"""What a target's `resources` call the model server, which is no step."""

EVERY_STEP = "*"
"""What a target's `resources` call every step that isn't named."""
