"""Large eager calls on native kernels: `offers.py` decides, the other files make the functions."""
