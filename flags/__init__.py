"""The command line: choices, absl definitions, and the frozen Config they become."""
