"""The recurrence engine, the adapter interface, and the adapters of modules of torch."""
