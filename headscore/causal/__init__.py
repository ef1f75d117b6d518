"""What a model loses when the edges of a role, or whole heads, are taken away."""
