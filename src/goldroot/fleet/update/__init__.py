"""Moving one server to another gold version: plan, merge, check, switch; and what is written down of it."""
