"""A small application that keeps quotations."""
