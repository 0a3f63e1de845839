"""Heat maps: where on the image the evidence for a class lies, and how much of it on the lungs."""
