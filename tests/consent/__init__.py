"""consent_svc: its rules, its store, its services, and what they must never do."""
