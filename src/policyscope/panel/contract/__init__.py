"""What the panel's server and its page say to each other; the page's types are made from these.

Everything of row t is the state that decided: scene, observation, outputs and activations before
the step, the action chosen from them, and then the reward it brought. ``docs/panel.md`` tells how
the resources hang together.
"""
