"""What happens to a face: blur, resampling, noise, JPEG; presets and protocols."""
