"""The image that steps run in: a placeholder that compile replaces by the digest of the built image."""

STEP_IMAGE = "journey-steps"
