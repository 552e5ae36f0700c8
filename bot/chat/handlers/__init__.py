"""One module per family of commands: parse, call the domain once, answer."""
