"""The networks, their configuration, strict loading and saving."""
