"""Double DQN: ``train`` is the loop, to be read first."""
