"""What other scanners were told, read from their users' files."""
