"""The checklist's phases, each measured on its own operation against the same work without the toggle."""
