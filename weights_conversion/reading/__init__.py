"""From a file or a hub to named arrays; nothing in a file is ever run."""
