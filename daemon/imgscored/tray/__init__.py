"""The tray icon: a separate process that is only a client of the control socket."""
