"""The one loop of agent and stepper, and what is counted over it."""
