"""z/VM as a host: a SMAPI client, a user directory parser and editor, a simulator."""
