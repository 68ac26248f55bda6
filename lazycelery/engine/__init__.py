"""The only thing faces talk to: wires the rooms below, owns threads and clocks, hands out snapshots."""
