"""Runs the source network and the Keras one on the same images and says how far they differ.

The source network is run under the names of the checkpoint (`reference/`), so a tensor that a name
table puts in the wrong place shows. In inference mode float32 is compared, which is what users
run. In training mode float32 is too coarse (a ResNet50 in float32 and in float64 differs by 1e-2 in
the gradients of its batch norms), so both networks compute in float64.
"""
