"""Faces in a photo: found, aligned, parsed, pasted back."""
