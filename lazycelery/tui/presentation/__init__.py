"""Pure: model in, lines of text out. No widget, no clock, no I/O."""
