"""A published recommendation, made once, and copies of it to be changed."""

from tests.desk import desk, evaluated, published

__all__ = ["desk", "evaluated", "published"]
