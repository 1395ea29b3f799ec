"""What happens after a release: promotion and retraining."""
