"""Three trees in, a plan out; text, accounts, policy; applying a plan; the record."""
