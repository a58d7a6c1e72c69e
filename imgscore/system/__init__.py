"""The operating system: installed files, systemd, Landlock, mounts and the desktop's tray."""
