"""What a run came to, as a table or as JSON. Nothing is computed here."""
