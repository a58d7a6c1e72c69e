"""The tray icon: a process of its own, and only a client of the control socket."""
