"""Training and evaluation of the restoration network. Imports ``restoration``, never the app."""
