"""The lists of the left column: a pane is a value of columns, cells, filter, order and what to show."""
