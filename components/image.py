"""The images that pods run: their names, their version, and where in them things lie."""

VERSION = "0.1.0"                            # pyproject.toml's: a test holds them together
STEP_IMAGE = "journey-steps"                 # all steps; in a component a placeholder, which compile replaces by an image's digest
SERVING_IMAGE = "journey-serving"            # the model server

PROJECT_FOLDER = "/opt/journey/project"      # a project's own files, in a layer on top of STEP_IMAGE; its JOURNEY_PROJECT says so too
BUNDLE_FOLDER = "/opt/journey/bundle"        # a model's bundle, in a layer on top of SERVING_IMAGE
