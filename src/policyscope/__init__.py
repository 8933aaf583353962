"""policyscope shows why a reinforcement-learning agent acts as it does."""

__version__ = "0.1.0"
