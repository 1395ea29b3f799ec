"""The decorators of features.py and models.py, and how those files are loaded."""
