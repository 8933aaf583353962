"""How far the values of an attribution hold."""
