"""What each route does: one module per noun. A handler decodes, authorizes, asks for a place, and lets a thread work."""
