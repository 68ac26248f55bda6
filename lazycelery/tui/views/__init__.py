"""Views that take the whole screen: live events, audit log, metrics. None knows a widget."""
