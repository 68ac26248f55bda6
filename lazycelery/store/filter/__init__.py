"""The filter language, the same in every face: `state:failure error:~time(d )?out runtime:>5s -beat`."""

from __future__ import annotations

from lazycelery.store.filter.parser import Filter, parse

__all__ = ["Filter", "parse"]
