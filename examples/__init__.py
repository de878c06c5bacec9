"""Which faces can be tried at once, and how were they made?"""
