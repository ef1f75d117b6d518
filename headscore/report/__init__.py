"""Tables -> what people read."""
