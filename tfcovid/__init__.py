"""Chest X-ray classification by transfer learning, with scores that can be believed."""
