"""The numeric engine: arrays in, arrays out. It knows no ids, no text and no files."""

from fieldstore.engine.field import Ascent, Field, Ranking

__all__ = ["Ascent", "Field", "Ranking"]
