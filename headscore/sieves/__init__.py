"""Compile roles and an encoded batch into the arrays that kernels read."""
