"""Every transport of Kombu that has no folder of its own: Kombu itself, in threads, never imported before."""
