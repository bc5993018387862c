"""The logistic mixed model: crossed participants and images by Laplace, one grouping factor by quadrature."""
