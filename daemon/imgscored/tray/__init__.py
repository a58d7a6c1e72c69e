"""The tray icon: a separate process, and only a client of the control socket."""
