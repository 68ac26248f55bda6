"""One file a group of commands: parse, ask the engine, print."""
