"""Copies of one image: proposed by a perceptual hash, confirmed by aligned correlation."""
