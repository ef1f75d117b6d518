"""Roles and an encoded batch -> the arrays that kernels read."""
