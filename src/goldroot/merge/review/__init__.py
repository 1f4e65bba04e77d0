"""What people see of a question, and how they answer it."""
